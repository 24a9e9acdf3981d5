package importer

import (
	"net"
	"strings"

	"core.internal/shared/spec"
)

// port is one port of a service: short, as in "127.0.0.1:8080:80/tcp", or long.
func (c *composeService) port(n node) {
	a := n.at()
	if n.Kind == yamlScalar {
		text, protocol, _ := strings.Cut(n.Value, "/")
		published, target := "", text
		if i := strings.LastIndexByte(text, ':'); i >= 0 {
			published, target = text[:i], text[i+1:]
		}
		if host, port, err := net.SplitHostPort(published); err == nil {
			c.host(a, host)
			published = port
		}
		c.published(a, published, target)
		c.addPort(a, target, protocol)
		return
	}
	target, protocol := "", ""
	for _, f := range c.members(n) {
		switch f.key {
		case "target":
			target = f.Value
		case "protocol":
			protocol = f.Value
		case "app_protocol":
			if f.Value == "http" || f.Value == "https" || f.Value == "grpc" {
				protocol = f.Value
			}
		case "published":
			defer func() { c.published(f.at(), f.Value, target) }()
		case "host_ip":
			c.host(f.at(), f.Value)
		default:
			c.unknown(f.at())
		}
	}
	c.addPort(a, target, protocol)
}

func (c *composeService) host(a at, host string) {
	if host != "127.0.0.1" {
		c.note(a, "the program itself decides on which address it listens", "tell it in its arguments, and say it in ports.primary.host")
	}
}

func (c *composeService) published(a at, published, target string) {
	if published != "" && published != target {
		c.note(a, "without a container nothing maps ports: the program listens on "+target+" itself, not on "+published,
			"make it listen on {ports.primary}, and set ports.primary.port")
	}
}

// addPort gives the service a port: the first is the primary one, others have
// names such as p8080.
func (c *composeService) addPort(a at, text, protocol string) {
	n, ok := count(text)
	if !ok || n == 0 {
		c.note(a, "no single port from 1 to 65535", "say each port by itself")
		return
	}
	if protocol == "tcp" {
		protocol = ""
	}
	p := spec.Port{Port: n, Protocol: protocol}
	c.after(a, func(s *spec.Service) {
		if s.Ports.Primary == nil {
			s.Ports.Primary = &p
			return
		}
		for _, have := range s.AllPorts() {
			if have.Port.Port == n && (have.Protocol == "udp") == (protocol == "udp") {
				return // it is exposed and published
			}
		}
		name := "p" + text
		if protocol != "" {
			name += "-" + protocol
		}
		s.Ports.Additional = append(s.Ports.Additional, spec.NamedPort{Name: name, Port: p})
	})
}

// healthcheck is a readiness check: Compose does not restart what fails it.
func (c *composeService) healthcheck(n node) {
	const half = spec.Duration(30e9)
	p := spec.Probe{Type: spec.HealthExec, Interval: half, Timeout: half}
	for _, f := range c.members(n, "test") {
		a := f.at()
		v, isTime := seconds(f.Value)
		number, isCount := count(f.Value)
		switch yes, _ := f.yes(); {
		case f.key == "disable":
			if yes {
				return
			}
		case f.key == "test":
			words, ok := f.scalars()
			switch {
			case !ok || len(words) == 0:
				c.note(a, "no test that is known", "")
			case f.Kind == yamlScalar:
				words = []string{"CMD-SHELL", words[0]}
				fallthrough
			default:
				p.Command = c.test(a, words)
			}
		case f.key == "interval" && isTime && v > 0:
			p.Interval = v
		case f.key == "timeout" && isTime && v > 0:
			p.Timeout = v
		case f.key == "start_period" && isTime:
			p.StartPeriod = v
		case f.key == "retries" && isCount && number <= 1000:
			p.FailureThreshold = number
		case f.key == "start_interval":
			c.note(a, "a check has one interval", "")
		default:
			c.unknown(a)
		}
	}
	if len(p.Command) > 0 {
		c.set(n.at(), func(s *spec.Service) { s.Health.Readiness = &p })
	}
}

func (c *composeService) test(a at, words []string) []string {
	if words[0] == "NONE" {
		return nil
	}
	if words[0] != "CMD" && words[0] != "CMD-SHELL" || len(words) < 2 {
		c.note(a, "no test that is known", `want ["CMD", …], ["CMD-SHELL", "…"] or ["NONE"]`)
		return nil
	}
	if words[0] == "CMD-SHELL" {
		l := readShell(strings.ReplaceAll(strings.Join(words[1:], " "), "$$", "$"), []string{"/bin/sh", "-c"}, nil)
		if len(l.env) > 0 {
			return []string{"/bin/sh", "-c", literal(strings.Join(words[1:], " "))}
		}
		return l.words
	}
	list := make([]string, 0, len(words)-1)
	for _, w := range words[1:] {
		list = append(list, c.b.interpolated(c.draft, a, w))
	}
	return list
}

func (c *composeService) deploy(n node) {
	for _, f := range c.members(n, "resources", "restart_policy", "placement", "labels", "update_config", "rollback_config") {
		switch f.key {
		case "replicas":
			c.replicas(f.node)
		case "resources":
			for _, kind := range c.members(f.node, "limits", "reservations") {
				if kind.key != "limits" {
					c.note(kind.at(), "nothing is reserved for a service", "process.resources.cpuWeight is its share")
					continue
				}
				for _, l := range c.members(kind.node) {
					switch l.key {
					case "memory":
						c.size(l.at(), l.Value, func(r *spec.Resources, v spec.Size) { r.MemoryMax = v })
					case "cpus":
						c.cores(l.at(), l.Value)
					case "pids":
						c.resource(l.at(), func(r *spec.Resources) { r.PidsMax = whole(l.Value) })
					default:
						c.unknown(l.at())
					}
				}
			}
		case "restart_policy":
			for _, r := range c.members(f.node) {
				a := r.at()
				v, ok := seconds(r.Value)
				switch {
				case r.key == "condition" && r.Value == "any":
					c.policy(a, spec.RestartAlways)
				case r.key == "condition" && r.Value == "on-failure":
					c.policy(a, spec.RestartOnFailure)
				case r.key == "condition" && r.Value == "none":
				case r.key == "delay" && ok && v > 0:
					c.set(a, func(s *spec.Service) {
						p := &s.Process.RestartPolicy
						p.InitialBackoff, p.MaxBackoff, p.Factor = v, v, 1
					})
				case r.key == "max_attempts":
					c.maxRestarts(a, r.Value)
				case r.key == "window" && ok && v > 0:
					c.set(a, func(s *spec.Service) { s.Process.RestartPolicy.Budget.Window = v })
				default:
					c.unknown(a)
				}
			}
		default:
			c.note(f.at(), "a node is one machine", "")
		}
	}
}

func (d *draft) resource(a at, do func(*spec.Resources)) {
	d.set(a, func(s *spec.Service) {
		if s.Process.Resources == nil {
			s.Process.Resources = &spec.Resources{}
		}
		do(s.Process.Resources)
	})
}

func (d *draft) size(a at, text string, do func(*spec.Resources, spec.Size)) {
	v, ok := bytesOf(text)
	if !ok || v == 0 {
		d.note(a, "no size", `want one as in "512M"`)
		return
	}
	d.resource(a, func(r *spec.Resources) { do(r, v) })
}

func (d *draft) cores(a at, text string) {
	v, err := spec.ParseCores(strings.TrimSpace(text))
	if err != nil {
		d.note(a, err.Error(), "")
		return
	}
	d.resource(a, func(r *spec.Resources) { r.CPUMax = v })
}

// limitOf is the member of a spec for a limit by the name that Compose and
// systemd (behind "Limit", in lower case) have for it.
func limitOf(l *spec.Limits, name string) **spec.Limit {
	return map[string]**spec.Limit{
		"nofile": &l.OpenFiles, "nproc": &l.Processes, "core": &l.CoreSize, "fsize": &l.FileSize,
		"memlock": &l.LockedMemory, "stack": &l.StackSize, "as": &l.AddressSpace, "cpu": &l.CPUTime,
	}[name]
}

// limit sets one limit.
func (d *draft) limit(a at, name, text string) {
	if limitOf(&spec.Limits{}, name) == nil {
		d.unknown(a)
		return
	}
	v := spec.Unlimited
	if text != "-1" && text != "unlimited" && text != "infinity" {
		n, ok := bytesOf(text)
		if !ok {
			d.note(a, "no limit that is known", `want a number, or "unlimited"`)
			return
		}
		v = spec.Limit(n)
	}
	d.set(a, func(s *spec.Service) {
		if s.Process.Limits == nil {
			s.Process.Limits = &spec.Limits{}
		}
		*limitOf(s.Process.Limits, name) = &v
	})
}

func (c *composeService) ulimits(n node) {
	if n.Kind != yamlMapping {
		c.members(n)
	}
	for _, f := range n.members() {
		text := f.Value
		var soft node
		var object []member
		if f.Kind != yamlScalar {
			object = c.members(f.node)
		}
		for _, m := range object {
			switch m.key {
			case "hard":
				text = m.Value
			case "soft":
				soft = m.node
			default:
				c.unknown(m.at())
			}
		}
		if soft.Node != nil && text == "" {
			text = soft.Value
		}
		if soft.Node != nil && soft.Value != text {
			c.note(soft.at(), "a limit is soft and hard alike: the hard one was taken", "")
		}
		c.limit(f.at(), f.key, text)
	}
}

// whole is a number, or one that no member may be, so that the check says so.
func whole(text string) int {
	text, negative := strings.CutPrefix(strings.TrimSpace(text), "-")
	n, ok := count(text)
	if !ok {
		return 1<<31 - 1
	}
	if negative {
		return -n
	}
	return n
}
