package importer

import (
	"regexp"
	"strings"

	"core.internal/shared/spec"
)

// processCompose reads the YAML of process-compose.
func (b *batch) processCompose(doc Document) error {
	root, err := readYAML(doc)
	if err != nil {
		return err
	}
	shell := []string{"bash", "-c"}
	var processes, global []member
	var always []pair
	for _, m := range root.members() {
		switch m.key {
		case "processes":
			if m.Kind != yamlMapping {
				return m.at().fail("a mapping of names to processes", "found %s", m.kind())
			}
			processes = m.members()
		case "environment":
			always = m.pairs()
		case "shell":
			for _, s := range m.members() {
				switch {
				case s.key == "shell_command" && s.Value != "":
					shell[0] = literal(s.Value)
				case s.key == "shell_argument" && s.Value != "":
					shell[1] = literal(s.Value)
				default:
					global = append(global, s)
				}
			}
		case "version":
		default:
			global = append(global, m)
		}
	}
	for _, m := range global {
		b.note(nil, m.at(), "a setting of process-compose itself", "see launcher config show for those of the node")
	}
	for _, m := range processes {
		p := &pcProcess{b: b, doc: doc, shell: shell}
		if err := p.read(m, always); err != nil {
			return err
		}
	}
	return nil
}

// pcProcess is one process of process-compose.
type pcProcess struct {
	*draft
	b     *batch
	doc   Document
	shell []string
}

// goTemplate is what process-compose replaces in a command.
var goTemplate = regexp.MustCompile(`\{\{-?\s*\.(\w+)\s*-?\}\}`)

func (p *pcProcess) read(m member, always []pair) error {
	if m.Kind != yamlMapping {
		return m.at().fail("a mapping", "found %s", m.kind())
	}
	fields := m.members()
	a := m.at()
	var command, entrypoint, dir node
	for _, f := range fields {
		switch f.key {
		case "command":
			command = f.node
		case "entrypoint":
			entrypoint = f.node
		case "working_dir":
			dir = f.node
		}
	}
	var err error
	switch {
	case command.Node != nil && command.Value != "":
		a = command.at()
		l := readShell(strings.ReplaceAll(command.Value, "$$", "$"), p.shell, nil)
		for i := range l.words {
			l.words[i] = strings.ReplaceAll(l.words[i], "{{{{.PC_REPLICA_NUM}}", "{replica}")
		}
		if goTemplate.MatchString(strings.Join(l.words, " ")) || strings.Contains(strings.Join(l.words, " "), "{{{{") {
			p.b.note(nil, a, "templates of process-compose are not filled in", "write the value itself, or a placeholder")
		}
		p.draft, err = p.b.addShell(a, m.key, l, p.doc.Dir, nil)
	case entrypoint.Node != nil:
		words, ok := entrypoint.scalars()
		if !ok || len(words) == 0 {
			return entrypoint.at().fail("a list of texts", "found %s", entrypoint.kind())
		}
		for i := range words {
			words[i] = p.b.interpolated(nil, entrypoint.at(), words[i])
		}
		p.draft, err = p.b.addShell(entrypoint.at(), m.key, shellLine{words: words}, p.doc.Dir, nil)
	default:
		return a.fail("command or entrypoint", "%s runs nothing", m.key)
	}
	if err != nil {
		return err
	}
	if dir.Node != nil && dir.Kind == yamlScalar {
		p.set(dir.at(), func(s *spec.Service) {
			s.Process.WorkingDir = absolute(p.b.interpolated(p.draft, dir.at(), dir.Value), p.doc.Dir)
		})
	}
	p.set(a, func(s *spec.Service) { s.Process.RestartPolicy.Policy = spec.RestartNever })
	p.variables(always)
	for _, f := range fields {
		p.field(f)
	}
	return nil
}

// variables sets the environment.
func (d *draft) variables(pairs []pair) {
	for _, v := range pairs {
		switch {
		case v.bad:
			d.note(v.at(), "no text", "")
		case v.value == nil:
			if d.env(v.at(), v.name, "{env."+v.name+"}") {
				d.note(v.at(), "the variable is passed on from the environment of the node, and one that is not set is an error", "set "+v.name+" for launcher up")
			}
		default:
			d.env(v.at(), v.name, d.b.interpolated(d, v.at(), *v.value))
		}
	}
}

// pcNested are the members of a process that are more than one text.
var pcNested = []string{"entrypoint", "environment", "env_file", "dotenv", "depends_on", "readiness_probe", "liveness_probe", "availability", "shutdown", "schedule"}

func (p *pcProcess) field(f member) {
	a := f.at()
	if !p.fits(f, pcNested) {
		return
	}
	switch f.key {
	case "command", "working_dir":
	case "entrypoint":
		if p.spec.Process.Command == "" {
			p.note(a, "command is beside it", "")
		}
	case "description":
		p.set(a, func(s *spec.Service) { s.Description = line(f.Value) })
	case "environment":
		p.variables(f.pairs())
	case "env_file", "dotenv":
		p.envFiles(f.node, p.doc.Dir)
	case "depends_on":
		p.dependsOn(f.node)
	case "readiness_probe":
		p.probe(f.node, func(s *spec.Service, c *spec.Probe) { s.Health.Readiness = c })
	case "liveness_probe":
		p.probe(f.node, func(s *spec.Service, c *spec.Probe) { s.Health.Liveness = c })
	case "ready_log_line":
		p.set(a, func(s *spec.Service) {
			s.Health.Readiness = &spec.Probe{Type: spec.HealthLog, Pattern: regexp.QuoteMeta(f.Value)}
		})
	case "availability":
		p.availability(f.node)
	case "shutdown":
		p.shutdown(f.node)
	case "schedule":
		p.schedule(f.node)
	case "replicas":
		p.replicas(f.node)
	case "log_location":
		p.set(a, func(s *spec.Service) { s.Logging.Stdout = absolute(p.b.interpolated(p.draft, a, f.Value), p.doc.Dir) })
	case "disabled":
		if yes, ok := f.yes(); !ok {
			p.note(a, "neither true nor false", "")
		} else if yes {
			p.set(a, func(s *spec.Service) { s.Profiles = nil })
		}
	case "is_daemon":
		if yes, _ := f.yes(); yes {
			p.note(a, "a service stays in the foreground", "run the program itself without putting it into the background")
		}
	case "namespace":
		p.note(a, "services have no namespaces", "profiles enable groups of them")
	case "is_tty", "is_interactive", "is_foreground":
		p.note(a, "a service has no terminal", "")
	case "is_elevated":
		p.note(a, "nothing is elevated", `name the account in process.user`)
	default:
		p.unknown(a)
	}
}

// unknown notes a directive that no case is about.
func (d *draft) unknown(a at) { d.note(a, "not carried over: specs have nothing for it", "") }

// envFiles names files with variables.
func (d *draft) envFiles(n node, dir string) {
	for _, i := range n.items() {
		path, missing := i.Value, ""
		var object []member
		if i.Kind != yamlScalar {
			object = d.members(i)
		}
		for _, m := range object {
			switch m.key {
			case "path":
				path = m.Value
			case "required":
				if yes, ok := m.yes(); ok && !yes {
					missing = "-"
				}
			default:
				d.unknown(m.at())
			}
		}
		if path == "" {
			d.note(i.at(), "no path of a file", "")
			continue
		}
		d.set(i.at(), func(s *spec.Service) {
			s.Process.EnvFile = append(s.Process.EnvFile, missing+absolute(d.b.interpolated(d, i.at(), path), dir))
		})
	}
}

func (d *draft) replicas(n node) {
	count, ok := count(n.Value)
	switch {
	case !ok:
		d.note(n.at(), "no number of replicas", "")
	case count == 0:
		d.set(n.at(), func(s *spec.Service) { s.Profiles = nil })
	default:
		d.after(n.at(), func(s *spec.Service) { s.Process.Replicas = count })
	}
}

func (p *pcProcess) dependsOn(n node) {
	if n.Kind != yamlMapping {
		for _, i := range p.texts(n) {
			p.depend(i.at(), i.Value, spec.Started)
		}
		return
	}
	for _, m := range n.members() {
		condition := spec.Started
		a := m.at()
		a.text = m.key
		for _, f := range p.members(m.node) {
			switch {
			case f.key != "condition":
				p.unknown(f.at())
			case f.Value == "process_healthy":
				condition = spec.Ready
			case f.Value == "process_log_ready":
				condition = spec.Ready
			case f.Value == "process_completed_successfully":
				condition = spec.Completed
			case f.Value == "process_completed":
				condition = spec.Completed
				p.note(f.at(), "a dependency is completed only when it succeeded", "let its command pass over failures")
			case f.Value != "process_started":
				p.note(f.at(), "no condition that is known: started was taken", "")
			}
		}
		if condition == spec.Completed {
			p.b.ending = append(p.b.ending, waits{a, m.key})
		}
		p.depend(a, m.key, condition)
	}
}

func (p *pcProcess) availability(n node) {
	for _, f := range p.members(n) {
		a := f.at()
		switch f.key {
		case "restart":
			policies := map[string]spec.RestartPolicy{"always": spec.RestartAlways, "on_failure": spec.RestartOnFailure, "no": spec.RestartNever, "exit_on_failure": spec.RestartNever}
			policy, ok := policies[f.Value]
			if !ok {
				p.note(a, "no policy that is known: never was taken", "")
				continue
			}
			if f.Value == "exit_on_failure" {
				p.note(a, "the failure of a service does not end the node", `"required": true makes a boot fail`)
			}
			p.policy(a, policy)
		case "backoff_seconds":
			v, ok := seconds(f.Value)
			p.duration(a, v, ok, "seconds, more than 0", func(s *spec.Service) {
				r := &s.Process.RestartPolicy
				r.InitialBackoff, r.MaxBackoff, r.Factor = v, v, 1
			})
		case "max_restarts":
			p.maxRestarts(a, f.Value)
		default:
			p.unknown(a)
		}
	}
}

// maxRestarts is a number of restarts that others count for ever.
func (d *draft) maxRestarts(a at, text string) {
	n, ok := count(text)
	if !ok || n == 0 {
		d.note(a, "a budget always has an end: more than 6 restarts within a minute are too many", "say how many are in process.restartPolicy.budget")
		return
	}
	d.set(a, func(s *spec.Service) { s.Process.RestartPolicy.Budget.Restarts = n })
	d.note(a, "restarts are counted within a minute, not for ever", "process.restartPolicy.budget.window is that time")
}

func (p *pcProcess) shutdown(n node) {
	for _, f := range p.members(n) {
		a := f.at()
		switch f.key {
		case "signal":
			p.set(a, func(s *spec.Service) { s.Process.StopSignal = signal(f.Value) })
		case "timeout_seconds":
			v, ok := seconds(f.Value)
			p.duration(a, v, ok, "seconds, more than 0", func(s *spec.Service) { s.Process.StopTimeout = v })
		case "command":
			p.note(a, "a service is asked to end with a signal", "name it in process.stopSignal")
		case "parent_only":
			p.note(a, "all processes of a service are ended", "")
		default:
			p.unknown(a)
		}
	}
}

func (p *pcProcess) schedule(n node) {
	for _, f := range p.members(n) {
		a := f.at()
		switch f.key {
		case "cron", "interval":
			text := f.Value
			if f.key == "interval" {
				text = "@every " + text
			}
			if !p.cron(a, text) {
				p.idle(a)
			}
		case "timezone":
			p.after(a, func(s *spec.Service) { s.Process.Timezone = f.Value })
		default:
			p.unknown(a)
		}
	}
}
