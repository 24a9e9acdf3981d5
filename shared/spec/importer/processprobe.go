package importer

import (
	"net"
	"net/url"
	"strings"

	"core.internal/shared/spec"
)

// probe reads a check; each member is tried by itself, so that one can be taken
// back.
func (p *pcProcess) probe(n node, do func(*spec.Service, *spec.Probe)) {
	ten := spec.Duration(10e9)
	c := spec.Probe{Interval: ten, Timeout: ten / 10}
	var changes []change
	each := func(m member, do func(*spec.Probe)) {
		changes = append(changes, change{p.draft, m.at(), func(*spec.Service) { do(&c) }})
	}
	for _, f := range p.members(n, "http_get", "exec") {
		a := f.at()
		v, ok := seconds(f.Value)
		number, whole := count(f.Value)
		switch {
		case f.key == "http_get":
			p.httpGet(f.node, &c)
		case f.key == "exec":
			p.exec(f.node, &c)
		case strings.HasSuffix(f.key, "_seconds") && ok && v <= 0, strings.HasSuffix(f.key, "_threshold") && whole && number == 0:
		case f.key == "initial_delay_seconds" && ok:
			each(f, func(c *spec.Probe) { c.StartPeriod = v })
		case f.key == "period_seconds" && ok:
			each(f, func(c *spec.Probe) { c.Interval = v })
		case f.key == "timeout_seconds" && ok:
			each(f, func(c *spec.Probe) { c.Timeout = v })
		case f.key == "success_threshold" && whole:
			each(f, func(c *spec.Probe) { c.SuccessThreshold = number })
		case f.key == "failure_threshold" && whole:
			each(f, func(c *spec.Probe) { c.FailureThreshold = number })
		default:
			p.unknown(a)
		}
	}
	if c.Type == "" {
		p.note(n.at(), "a check that asks nothing: want http_get or exec", "")
		return
	}
	if !p.set(n.at(), func(s *spec.Service) { do(s, &c) }) {
		return
	}
	for _, one := range changes {
		kept := c
		if !p.set(one.at, func(s *spec.Service) { one.do(s); do(s, &c) }) {
			c = kept
		}
	}
}

func (p *pcProcess) httpGet(n node, c *spec.Probe) {
	u := url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/"}
	host, port := "127.0.0.1", ""
	for _, f := range p.members(n) {
		switch f.key {
		case "host":
			host = f.Value
		case "scheme":
			u.Scheme = strings.ToLower(f.Value)
		case "path":
			path, query, _ := strings.Cut(f.Value, "?")
			u.Path, u.RawQuery = "/"+strings.TrimPrefix(path, "/"), query
		case "port":
			port = f.Value
		case "status_code":
			if n, ok := count(f.Value); ok {
				c.ExpectedStatus = []int{n}
			} else {
				p.note(f.at(), "no status", "")
			}
		default:
			p.unknown(f.at())
		}
	}
	u.Host = host
	if port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	c.Type, c.Endpoint = spec.HealthHTTP, p.b.interpolated(p.draft, n.at(), strings.NewReplacer("%7B", "{", "%7D", "}").Replace(u.String()))
}

func (p *pcProcess) exec(n node, c *spec.Probe) {
	for _, f := range p.members(n) {
		switch f.key {
		case "command":
			l := readShell(strings.ReplaceAll(f.Value, "$$", "$"), p.shell, nil)
			if len(l.env) > 0 {
				l.words = append(p.shell[:2:2], literal(f.Value))
			}
			c.Type, c.Command = spec.HealthExec, l.words
		case "working_dir":
			p.note(f.at(), "a check runs in the directory of its service", "")
		default:
			p.unknown(f.at())
		}
	}
}
