package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"core.internal/shared/spec"
)

var (
	variableName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	bracedVariable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	killMain       = regexp.MustCompile(`^[-+!@:]*(?:/usr)?(?:/s?bin/)?kill +-(?:s +)?(\w+) +\$\{?MAINPID\}?$`)
)

// unitField is about [Unit].
func (u *unitFile) unitField(k setting) {
	a := k.at
	switch k.name {
	case "Description":
		u.set(a, func(s *spec.Service) { s.Description = line(k.text) })
	case "After", "Requires", "Wants", "BindsTo", "Requisite":
		for _, name := range strings.Fields(k.text) {
			v := a
			v.text = name
			service, ok := strings.CutSuffix(name, ".service")
			switch {
			case !ok:
				u.note(v, "it is no service of the node", "")
			case !u.b.hasUnit(name):
				u.note(v, "the unit was not imported", "import it beside this one, or have systemd start the node after it")
			case k.name == "After" && u.says(name, "Requires", "BindsTo", "Requisite", "Wants"): // that is about it
			case k.name == "After":
				u.depend(v, service, spec.Started)
				u.note(v, "an order alone became a dependency: without that service this one does not start", "")
			case k.name == "Wants":
				u.depend(v, service, spec.Started)
				u.note(v, "a wish became a dependency: without that service this one does not start", "")
			default:
				u.depend(v, service, spec.Ready)
			}
		}
	case "StartLimitBurst", "StartLimitIntervalSec", "StartLimitInterval":
		u.startLimit(k)
	default:
		u.unknown(a)
	}
}

// says reports whether one of the directives of [Unit] names a unit.
func (u *unitFile) says(unit string, directives ...string) bool {
	for _, s := range u.sections {
		for _, k := range s.keys {
			if s.name == "Unit" && slices.Contains(directives, k.name) && slices.Contains(strings.Fields(k.text), unit) {
				return true
			}
		}
	}
	return false
}

// hasUnit reports whether a unit is among the documents.
func (b *batch) hasUnit(name string) bool {
	return slices.ContainsFunc(b.docs, func(d Document) bool { return d.File == name || strings.HasSuffix(d.File, "/"+name) })
}

func (u *unitFile) installField(k setting) {
	switch k.name {
	case "WantedBy", "RequiredBy": // services of a profile are started with the node
	default:
		u.unknown(k.at)
	}
}

func (u *unitFile) startLimit(k setting) {
	if k.name == "StartLimitBurst" {
		if n, ok := count(k.text); ok && n > 0 {
			u.set(k.at, func(s *spec.Service) { s.Process.RestartPolicy.Budget.Restarts = n })
			return
		}
	} else if v, ok := timeSpan(k.text); ok && v > 0 {
		u.set(k.at, func(s *spec.Service) { s.Process.RestartPolicy.Budget.Window = v })
		return
	}
	u.note(k.at, "a budget always has an end: more than 6 restarts within a minute are too many", "say how many are in process.restartPolicy.budget")
}

// restarts are the policies, and whether they differ in meaning.
var restarts = map[string]struct {
	policy spec.RestartPolicy
	why    string
}{
	"no": {spec.RestartNever, ""}, "on-failure": {spec.RestartOnFailure, ""}, "always": {spec.RestartAlways, ""},
	"on-abnormal": {spec.RestartOnFailure, "an exit status other than 0 is a failure too"},
	"on-abort":    {spec.RestartOnFailure, "an exit status other than 0 is a failure too"},
	"on-watchdog": {spec.RestartOnFailure, "there is no watchdog: every failure counts"},
	"on-success":  {spec.RestartAlways, "failures count too"},
}

// serviceField is about [Service].
func (u *unitFile) serviceField(k setting) {
	a := k.at
	v, isSpan := timeSpan(k.text)
	switch k.name {
	case "ExecStart":
	case "Type":
		u.typed(a)
	case "ExecStartPre", "ExecCondition":
		u.hook(a, func(s *spec.Service, h spec.Hook) { s.Process.PreStart = append(s.Process.PreStart, h) })
	case "ExecStopPost":
		u.hook(a, func(s *spec.Service, h spec.Hook) { s.Process.PostStop = append(s.Process.PostStop, h) })
	case "ExecReload":
		if m := killMain.FindStringSubmatch(k.text); m != nil {
			u.set(a, func(s *spec.Service) { s.Process.ReloadSignal = signal(m[1]) })
		} else {
			u.note(a, "a service is asked with a signal to read its configuration again", "name it in process.reloadSignal")
		}
	case "ExecStop":
		if m := killMain.FindStringSubmatch(k.text); m != nil {
			u.set(a, func(s *spec.Service) { s.Process.StopSignal = signal(m[1]) })
		} else {
			u.note(a, "a service is asked to end with a signal", "name it in process.stopSignal")
		}
	case "Environment":
		words, err := splitWords(k.text, systemdWords)
		if err != nil || k.text == "" {
			u.note(a, "no variables, or those in front are taken back: look at them", "")
		}
		for _, w := range words {
			name, value, _ := strings.Cut(w, "=")
			u.draft.env(a, name, u.specifiers(a, value))
		}
	case "EnvironmentFile":
		u.set(a, func(s *spec.Service) { s.Process.EnvFile = append(s.Process.EnvFile, u.specifiers(a, k.text)) })
	case "User":
		u.set(a, func(s *spec.Service) { s.Process.User = spec.Account(k.text) })
	case "Group":
		u.set(a, func(s *spec.Service) { s.Process.Group = spec.Account(k.text) })
	case "WorkingDirectory":
		if strings.HasPrefix(k.text, "-") {
			u.note(a, "a directory that is missing is an error", "")
		}
		u.set(a, func(s *spec.Service) { s.Process.WorkingDir = u.specifiers(a, u.dir) })
	case "Restart":
		r, ok := restarts[k.text]
		if !ok {
			u.note(a, "no policy that is known: never was taken", "")
			return
		}
		if u.policy(a, r.policy); r.why != "" {
			u.note(a, r.why, "")
		}
	case "RestartSec":
		if v > 0 {
			u.duration(a, v, isSpan, "", func(s *spec.Service) {
				p := &s.Process.RestartPolicy
				p.InitialBackoff, p.MaxBackoff, p.Factor = v, v, 1
			})
		} else {
			u.note(a, "there is always a pause, but not before the first restart", "see process.restartPolicy.initialBackoff")
		}
	case "StartLimitBurst", "StartLimitInterval", "StartLimitIntervalSec":
		u.startLimit(k)
	case "KillSignal":
		u.set(a, func(s *spec.Service) { s.Process.StopSignal = signal(k.text) })
	case "ReloadSignal":
		u.set(a, func(s *spec.Service) { s.Process.ReloadSignal = signal(k.text) })
	case "KillMode":
		if k.text != "control-group" {
			u.note(a, "all processes of a service are ended", "")
		}
	case "TimeoutStopSec", "TimeoutSec":
		u.duration(a, v, isSpan, "a time, more than 0", func(s *spec.Service) { s.Process.StopTimeout = v })
		if k.name == "TimeoutSec" {
			u.note(a, "a start has no such limit: a hook and a check have their own", "")
		}
	default:
		u.attribute(k)
	}
}

func (u *unitFile) typed(a at) {
	switch a.text {
	case "simple", "exec", "oneshot":
	case "notify", "notify-reload":
		u.note(a, "nobody listens to sd_notify: the service is ready once it runs", "add a health check")
	case "forking":
		u.note(a, "a service stays in the foreground", "run the program without putting it into the background")
	default:
		u.note(a, "the service is ready once it runs", "add a health check")
	}
}

// attribute is about what the process may do and have.
func (u *unitFile) attribute(k setting) {
	a := k.at
	if name, ok := strings.CutPrefix(k.name, "Limit"); ok {
		soft, hard, both := strings.Cut(k.text, ":")
		if both && soft != hard {
			u.note(a, "a limit is soft and hard alike: the hard one was taken", "")
			soft = hard
		}
		u.limit(a, strings.ToLower(name), soft)
		return
	}
	switch k.name {
	case "UMask":
		u.set(a, func(s *spec.Service) { s.Process.Umask = spec.Mode(k.text) })
	case "Nice":
		u.set(a, func(s *spec.Service) { s.Process.Nice = whole(k.text) })
	case "OOMScoreAdjust":
		u.set(a, func(s *spec.Service) { s.Process.OOMScoreAdjust = whole(k.text) })
	case "MemoryMax", "MemoryLimit":
		u.memory(a, func(r *spec.Resources, v spec.Size) { r.MemoryMax = v })
	case "MemoryHigh":
		u.memory(a, func(r *spec.Resources, v spec.Size) { r.MemoryHigh = v })
	case "CPUQuota":
		percent, err := strconv.ParseFloat(strings.TrimSuffix(k.text, "%"), 64)
		if err != nil || !strings.HasSuffix(k.text, "%") {
			u.note(a, "no percentage", "")
			return
		}
		u.cores(a, strconv.FormatFloat(percent/100, 'f', -1, 64))
	case "CPUWeight":
		u.resource(a, func(r *spec.Resources) { r.CPUWeight = whole(k.text) })
	case "IOWeight":
		u.resource(a, func(r *spec.Resources) { r.IOWeight = whole(k.text) })
	case "TasksMax":
		if k.text != "infinity" {
			u.resource(a, func(r *spec.Resources) { r.PidsMax = whole(k.text) })
		}
	case "StandardOutput", "StandardError":
		u.output(k)
	default:
		u.unknown(a)
	}
}

func (u *unitFile) memory(a at, do func(*spec.Resources, spec.Size)) {
	if a.text != "infinity" {
		u.size(a, a.text, do)
	}
}

func (u *unitFile) output(k setting) {
	a := k.at
	kind, path, _ := strings.Cut(k.text, ":")
	if kind != "file" && kind != "append" {
		u.note(a, "output always goes to the log files of the node", "launcher logs shows it")
		return
	}
	u.set(a, func(s *spec.Service) {
		if path = u.specifiers(a, path); k.name == "StandardOutput" {
			s.Logging.Stdout = path
		} else {
			s.Logging.Stderr = path
		}
	})
}
