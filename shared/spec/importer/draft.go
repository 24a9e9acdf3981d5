package importer

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"core.internal/shared/spec"
)

// add begins a service with a name of its document and what it runs; prepare
// sets what the command needs, if it is not nil.
func (b *batch) add(a at, name string, words []string, dir string, prepare func(*spec.Service)) (*draft, error) {
	if len(b.drafts) == maxServices {
		return nil, a.fail("", "more than %d services", maxServices)
	}
	d := &draft{b: b, name: name}
	d.spec.ID = b.newID(name)
	if string(d.spec.ID) != name {
		d.spec.DisplayName = line(name)
		d.note(at{a.file, a.line, a.column, name, ""}, "a name that no service can have, or that is taken: its id is "+string(d.spec.ID), "")
	}
	d.spec.Profiles = slices.Clone(b.opt.Profiles)
	if len(words) == 0 || words[0] == "" {
		return nil, a.fail("a command", "%s runs nothing", name)
	}
	d.spec.Process.Command, d.spec.Process.Args = executable(words[0], dir), words[1:]
	if prepare != nil {
		prepare(&d.spec)
	}
	if _, err := parse(d.spec); err != nil {
		e := first(err)
		return nil, a.fail(e.Want, "%s: %s: %s", name, e.Field, e.Reason)
	}
	b.drafts = append(b.drafts, d)
	return d, nil
}

// newID makes an id of a name. Ids leave room for the number of a replica.
func (b *batch) newID(name string) spec.ServiceID {
	var id strings.Builder
	for _, r := range name {
		switch {
		case r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'):
			id.WriteRune(r)
		default:
			id.WriteByte('-')
		}
	}
	text := strings.TrimRight(id.String(), "-")
	if text != "" && text[0] >= 'A' && text[0] <= 'Z' {
		text = strings.ToLower(text[:1]) + text[1:]
	}
	text = text[:min(len(text), 50)]
	usable := func(id string) bool {
		_, err := parse(spec.Service{ID: spec.ServiceID(id), Process: spec.Process{Command: "x"}})
		return err == nil && !slices.ContainsFunc(b.drafts, func(d *draft) bool { return string(d.spec.ID) == id })
	}
	if !usable(text) && !usable(text+"-2") {
		text = "service-" + text
	}
	unique := text
	for n := 2; !usable(unique); n++ {
		unique = text + "-" + strconv.Itoa(n)
	}
	return spec.ServiceID(unique)
}

// executable is a command as a spec has it: a relative path is made absolute.
func executable(word, dir string) string {
	if strings.ContainsRune(word, '/') && !strings.HasPrefix(word, "/") && !strings.HasPrefix(word, "{") {
		return filepath.Join(literal(dir), word)
	}
	return word
}

// absolute is a path of a document, which is relative to dir.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) || strings.HasPrefix(path, "{") && !strings.HasPrefix(path, "{{") {
		return path
	}
	return filepath.Join(literal(dir), path)
}

// literal is a text in which no placeholder is meant.
func literal(text string) string { return strings.ReplaceAll(text, "{", "{{") }

// line is a text that fits where one line is shown.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// env sets one variable.
func (d *draft) env(a at, name, value string) bool {
	return d.set(a, func(s *spec.Service) {
		if s.Process.Env == nil {
			s.Process.Env = map[string]string{}
		}
		s.Process.Env[name] = value
	})
}

// depend makes the service depend on another of its document, by that one's
// name.
func (d *draft) depend(a at, name string, condition spec.Condition) {
	d.b.later = append(d.b.later, change{d, a, func(s *spec.Service) {
		id := name // an unknown one is found by the check
		if other := d.b.find(name); other != nil {
			id = string(other.spec.ID)
		}
		dep := spec.Dependency{Service: id, Condition: condition}
		i := slices.IndexFunc(s.Dependencies, func(have spec.Dependency) bool { return have.Service == id })
		switch {
		case i < 0:
			s.Dependencies = append(s.Dependencies, dep)
		case s.Dependencies[i].Condition == spec.Started:
			s.Dependencies[i] = dep
		}
	}})
}

// ends makes a service that another waits for the end of a oneshot.
func (b *batch) ends(a at, name string) {
	d := b.find(name)
	if d == nil || d.spec.Process.Type == spec.TypeOneshot {
		return
	}
	d.set(a, func(s *spec.Service) { s.Process.Type = spec.TypeOneshot })
}

// duration sets a duration that is positive.
func (d *draft) duration(a at, v spec.Duration, ok bool, want string, do func(*spec.Service)) {
	if !ok || v <= 0 {
		d.note(a, "no time that a spec can have", want)
		return
	}
	d.set(a, do)
}

// count is a whole number that is not negative.
func count(text string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	return int(n), err == nil
}

// signal is the signal with a name or a number.
func signal(text string) spec.Signal {
	numbers := map[string]string{"1": "HUP", "2": "INT", "3": "QUIT", "6": "ABRT", "9": "KILL", "10": "USR1", "12": "USR2", "13": "PIPE", "14": "ALRM", "15": "TERM", "18": "CONT", "28": "WINCH"}
	text = strings.ToUpper(strings.TrimSpace(text))
	if name, ok := numbers[text]; ok {
		text = name
	}
	if s, err := spec.ParseSignal(text); err == nil {
		return s
	}
	return spec.Signal(text) // the check says what is wrong with it
}

// policy sets when a service is started again.
func (d *draft) policy(a at, p spec.RestartPolicy) {
	if t := d.spec.Process.Type; p == spec.RestartAlways && (t == spec.TypeOneshot || t == spec.TypeCron) {
		p = spec.RestartOnFailure
		d.note(a, "what ends when it is done is started again after a failure only", "")
	}
	d.set(a, func(s *spec.Service) { s.Process.RestartPolicy.Policy = p })
}

// cron makes the service one that runs at times.
func (d *draft) cron(a at, schedule string) bool {
	if d.spec.Process.RestartPolicy.Policy == spec.RestartAlways {
		d.note(a, "a job is started again after a failure only, whatever the policy says", "")
	}
	return d.set(a, func(s *spec.Service) {
		s.Process.Type, s.Process.Schedule = spec.TypeCron, schedule
		if s.Process.RestartPolicy.Policy == spec.RestartAlways {
			s.Process.RestartPolicy.Policy = spec.RestartOnFailure
		}
	})
}
