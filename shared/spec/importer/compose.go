package importer

import (
	"strings"

	"core.internal/shared/spec"
)

// compose reads the YAML of the Compose Specification.
func (b *batch) compose(doc Document) error {
	root, err := readYAML(doc)
	if err != nil {
		return err
	}
	var services []member
	for _, m := range root.members() {
		switch {
		case m.key == "services":
			if m.Kind != yamlMapping {
				return m.at().fail("a mapping of names to services", "found %s", m.kind())
			}
			services = m.members()
		case strings.HasPrefix(m.key, "x-"), m.key == "version":
		case m.key == "volumes":
			b.note(nil, m.at(), "there are no volumes", "a service has a directory of its own, {shared.config.dataDir}")
		case m.key == "networks":
			b.note(nil, m.at(), "there are no networks: services reach each other on the loopback address", "")
		case m.key == "secrets", m.key == "configs":
			b.note(nil, m.at(), "files are not handed out", "put the secret into the node's directory of secrets and use {secret.NAME}")
		default:
			b.note(nil, m.at(), "a setting of Compose itself", "")
		}
	}
	for _, m := range services {
		if m.Kind != yamlMapping {
			return m.at().fail("a mapping", "found %s", m.kind())
		}
		c := &composeService{b: b, doc: doc}
		if err := c.read(m); err != nil {
			return err
		}
	}
	return nil
}

// composeService is one service of Compose.
type composeService struct {
	*draft
	b   *batch
	doc Document
}

func (c *composeService) read(m member) error {
	fields := m.members()
	a := m.at()
	var words []string
	image := at{}
	for _, key := range []string{"entrypoint", "command"} {
		for _, f := range fields {
			if f.key == "image" {
				image = f.at()
			}
			if f.key != key {
				continue
			}
			list, err := c.command(f.node)
			if err != nil {
				return err
			}
			if len(list) > 0 {
				a = f.at()
			}
			words = append(words, list...)
		}
	}
	if len(words) == 0 {
		where := m.at()
		hint := "install the program, and write its command here"
		if image.line > 0 {
			where = image
			hint = "install the program of the image, and write its command here, or give its spec a dep with the source oci"
		}
		c.b.note(nil, at{where.file, where.line, where.column, m.field, where.text}, "the service was left out: images are not run, and it has no command", hint)
		return nil
	}
	d, err := c.b.addShell(a, m.key, shellLine{words: words}, c.doc.Dir, nil)
	if err != nil {
		return err
	}
	c.draft = d
	c.set(a, func(s *spec.Service) { s.Process.RestartPolicy.Policy = spec.RestartNever })
	for _, f := range fields {
		c.field(f)
	}
	return nil
}

// command is a list of words, or a text that Compose splits without a shell.
func (c *composeService) command(n node) ([]string, error) {
	if n.null() {
		return nil, nil
	}
	words, ok := n.scalars()
	if !ok {
		return nil, n.at().fail("a text, or a list of texts", "found %s", n.kind())
	}
	if n.Kind == yamlScalar {
		split, err := splitWords(n.Value, posixWords)
		if err != nil {
			return nil, n.at().fail("", "%s", err)
		}
		words = split
	}
	for i := range words {
		words[i] = c.b.interpolated(c.draft, n.at(), words[i])
	}
	return words, nil
}

// composeNotes says why members of a service are not carried over.
var composeNotes = map[string][2]string{
	"image":           {"images are not run: the command is looked up on this machine", "install the program, or give the spec a dep"},
	"build":           {"images are not built: the command is looked up on this machine", "give the spec a dep"},
	"volumes":         {"nothing is mounted: the service sees the files of this machine", "correct the paths in its arguments; its own directory is {shared.config.dataDir}"},
	"networks":        {"there are no networks: services reach each other on the loopback address", "write 127.0.0.1 and {ports.NAME} where another service's name was the host"},
	"container_name":  {"there is no container", ""},
	"hostname":        {"there is no container", ""},
	"labels":          {"services have no labels", ""},
	"logging":         {"a service's output goes to the node's log files", "see the spec's member logging"},
	"links":           {"there are no networks", "use depends_on"},
	"privileged":      {"a service is no container, and has the rights of its account", "name it in process.user"},
	"cap_add":         {"capabilities are those of the account", "name it in process.user"},
	"cap_drop":        {"capabilities are those of the account", "name it in process.user"},
	"read_only":       {"a service is no container, and sees the files of this machine", ""},
	"tmpfs":           {"nothing is mounted", ""},
	"init":            {"the node reaps processes itself", ""},
	"tty":             {"a service has no terminal", ""},
	"stdin_open":      {"a service has no terminal", ""},
	"secrets":         {"files are not handed out", "use {secret.NAME}"},
	"configs":         {"files are not handed out", `see "process.ensure"`},
	"extends":         {"other services are not read", "write out what it takes over"},
	"post_start":      {"nothing runs after a start", ""},
	"pre_stop":        {"nothing runs before a stop", ""},
	"dns":             {"names are looked up as the machine does", ""},
	"extra_hosts":     {"names are looked up as the machine does", ""},
	"pull_policy":     {"images are not run", ""},
	"platform":        {"images are not run", ""},
	"security_opt":    {"a service is no container", ""},
	"network_mode":    {"a service is in the network of this machine", ""},
	"shm_size":        {"a service is no container", ""},
	"sysctls":         {"a service is no container, and has the settings of this machine", ""},
	"devices":         {"a service sees the devices of this machine", ""},
	"cpu_shares":      {"shares are said otherwise", `see process.resources.cpuWeight, of which 100 is 1024 shares`},
	"mem_reservation": {"memory is not reserved", ""},
}

// composeNested are the members of a service that are more than one text.
var composeNested = []string{"command", "entrypoint", "environment", "env_file", "ports", "expose", "depends_on", "healthcheck", "deploy", "ulimits", "profiles"}

func (c *composeService) field(f member) {
	a := f.at()
	if _, noted := composeNotes[f.key]; !noted && !strings.HasPrefix(f.key, "x-") && !c.fits(f, composeNested) {
		return
	}
	switch f.key {
	case "command", "entrypoint":
	case "environment":
		c.variables(f.pairs())
	case "env_file":
		c.envFiles(f.node, c.doc.Dir)
	case "ports":
		for _, i := range f.items() {
			c.port(i)
		}
	case "expose":
		for _, i := range c.texts(f.node) {
			c.addPort(i.at(), i.Value, "")
		}
	case "depends_on":
		c.dependsOn(f.node)
	case "healthcheck":
		c.healthcheck(f.node)
	case "restart":
		c.restart(a, f.Value)
	case "deploy":
		c.deploy(f.node)
	case "scale":
		c.replicas(f.node)
	case "stop_signal":
		c.set(a, func(s *spec.Service) { s.Process.StopSignal = signal(f.Value) })
	case "stop_grace_period":
		v, ok := seconds(f.Value)
		c.duration(a, v, ok, "a duration, more than 0", func(s *spec.Service) { s.Process.StopTimeout = v })
	case "ulimits":
		c.ulimits(f.node)
	case "user":
		user, group, ok := strings.Cut(f.Value, ":")
		c.set(a, func(s *spec.Service) {
			if s.Process.User = spec.Account(user); ok {
				s.Process.Group = spec.Account(group)
			}
		})
	case "working_dir":
		c.set(a, func(s *spec.Service) {
			s.Process.WorkingDir = absolute(c.b.interpolated(c.draft, a, f.Value), c.doc.Dir)
		})
		c.note(a, "the directory was one of the image, and is one of this machine now", "correct process.workingDir")
	case "profiles":
		var names []string
		for _, i := range c.texts(f.node) {
			names = append(names, i.Value)
		}
		c.set(a, func(s *spec.Service) { s.Profiles = names })
	case "oom_score_adj":
		c.set(a, func(s *spec.Service) { s.Process.OOMScoreAdjust = whole(f.Value) })
	case "mem_limit":
		c.size(a, f.Value, func(r *spec.Resources, v spec.Size) { r.MemoryMax = v })
	case "cpus":
		c.cores(a, f.Value)
	case "pids_limit":
		c.resource(a, func(r *spec.Resources) { r.PidsMax = whole(f.Value) })
	default:
		if why, ok := composeNotes[f.key]; ok {
			yes, isBool := f.yes()
			for _, i := range f.items() {
				if !isBool || yes {
					c.note(i.at(), why[0], why[1])
				}
			}
		} else if !strings.HasPrefix(f.key, "x-") {
			c.unknown(a)
		}
	}
}

func (c *composeService) restart(a at, text string) {
	policy, times, _ := strings.Cut(text, ":")
	switch policy {
	case "no", "false":
	case "always":
		c.policy(a, spec.RestartAlways)
	case "unless-stopped":
		c.policy(a, spec.RestartAlways)
	case "on-failure":
		c.policy(a, spec.RestartOnFailure)
		if times != "" {
			c.maxRestarts(a, times)
		}
	default:
		c.note(a, "no policy that is known: never was taken", "")
	}
}

func (c *composeService) dependsOn(n node) {
	if n.Kind != yamlMapping {
		for _, i := range c.texts(n) {
			c.depend(i.at(), i.Value, spec.Started)
		}
		return
	}
	for _, m := range n.members() {
		a := m.at()
		a.text = m.key
		condition := spec.Started
		for _, f := range c.members(m.node) {
			switch yes, isBool := f.yes(); {
			case f.key == "condition" && f.Value == "service_healthy":
				condition = spec.Ready
			case f.key == "condition" && f.Value == "service_completed_successfully":
				condition = spec.Completed
				c.b.ending = append(c.b.ending, waits{a, m.key})
			case f.key == "condition" && f.Value == "service_started":
			case f.key == "restart" && isBool && !yes, f.key == "required" && isBool && yes:
			case f.key == "restart":
				c.note(f.at(), "a service is not started again when its dependency is", "")
			case f.key == "required":
				c.note(f.at(), "every dependency is required", "leave the dependency out of the spec if it may be missing")
			default:
				c.unknown(f.at())
			}
		}
		c.depend(a, m.key, condition)
	}
}
