package importer

import (
	"path"
	"strings"

	"core.internal/shared/spec"
)

// systemd reads one unit file. Services become services; a timer waits for its
// service, which another document may have.
func (b *batch) systemd(doc Document) error {
	sections, err := readSystemd(doc)
	if err != nil {
		return err
	}
	unit := path.Base(strings.ReplaceAll(doc.File, "\\", "/"))
	name, kind, _ := strings.Cut(unit, ".")
	if i := strings.LastIndexByte(unit, '.'); i >= 0 {
		name, kind = unit[:i], unit[i+1:]
	}
	switch kind {
	case "service":
		u := &unitFile{b: b, doc: doc, name: name, unit: unit, sections: sections, env: map[string]string{}}
		return u.read()
	case "timer":
		for _, s := range sections {
			s.name = name + "." + s.name
			b.units = append(b.units, s)
		}
		return nil
	}
	a := at{file: doc.File, line: 1, column: 1, field: unit}
	why, hint := "only services and timers become services", "name the .service beside it"
	if kind == "socket" {
		why, hint = "sockets are not handed to services", "let the service listen itself"
	}
	b.note(nil, a, why, hint)
	for _, s := range sections {
		for _, k := range s.keys {
			b.note(nil, k.at, why, hint)
		}
	}
	return nil
}

// readSystemd reads sections. A backslash at the end of a line joins it with the
// next; lines with "#" or ";" are comments, also among those.
func readSystemd(doc Document) ([]*section, error) {
	var list []*section
	lines := strings.Split(string(doc.Data), "\n")
	for i := 0; i < len(lines); i++ {
		body := strings.TrimSpace(lines[i])
		a := at{file: doc.File, line: i + 1, column: strings.Index(lines[i], body) + 1}
		if body == "" || body[0] == '#' || body[0] == ';' {
			continue
		}
		for strings.HasSuffix(body, "\\") {
			body = strings.TrimSuffix(body, "\\")
			if i++; i >= len(lines) {
				break
			}
			for i < len(lines)-1 && strings.HasPrefix(strings.TrimSpace(lines[i]), "#") {
				i++
			}
			body += " " + strings.TrimSpace(lines[i])
		}
		if body = strings.TrimSpace(body); body == "" {
			continue
		}
		if body[0] == '[' {
			if !strings.HasSuffix(body, "]") || len(body) < 3 {
				return nil, a.fail("a section as in [Service]", "found %q", shorten(body))
			}
			a.field = body
			list = append(list, &section{at: a, name: body[1 : len(body)-1]})
			continue
		}
		name, value, ok := strings.Cut(body, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, a.fail("Name=value, a section or a comment", "found %q", shorten(body))
		}
		if len(list) == 0 {
			return nil, a.fail("a section in front, as in [Service]", "found %q", shorten(body))
		}
		a.field, a.text = name, strings.TrimSpace(value)
		s := list[len(list)-1]
		s.keys = append(s.keys, setting{a, name})
	}
	return list, nil
}

// unitFile is one service of systemd.
type unitFile struct {
	*draft
	b        *batch
	doc      Document
	name     string
	unit     string
	sections []*section
	env      map[string]string // that the unit itself sets
	dir      string
	kind     string // its Type
}

func (u *unitFile) read() error {
	// Environment is known before the commands that use it.
	var commands []setting
	u.dir = "/"
	top := at{file: u.doc.File, line: 1, column: 1}
	for _, s := range u.sections {
		for _, k := range s.keys {
			switch {
			case s.name != "Service":
			case k.name == "Environment":
				u.environ(k.at)
			case k.name == "WorkingDirectory":
				u.dir = strings.TrimPrefix(k.text, "-")
			case k.name == "Type":
				u.kind = k.text
			case k.name == "ExecStart" && k.text == "":
				commands = nil // an empty one takes back those in front
			case k.name == "ExecStart":
				commands = append(commands, k)
			}
		}
		if s.name == "Service" {
			top = s.at
		}
	}
	if len(commands) == 0 {
		return top.fail("ExecStart=…", "%s runs nothing", u.unit)
	}
	main := commands[len(commands)-1]
	words, err := u.command(main.at, true)
	if err != nil {
		return err
	}
	if u.draft, err = u.b.add(main.at, u.name, words.words, "/", nil); err != nil {
		return err
	}
	u.set(top, func(s *spec.Service) {
		s.Process.WorkingDir, s.Process.RestartPolicy.Policy = "/", spec.RestartNever
		if u.kind == "oneshot" {
			s.Process.Type = spec.TypeOneshot
		}
	})
	if len(commands) > 1 && u.kind != "oneshot" {
		u.note(main.at, "more than one command: the last was taken for the service, the others run before it", "")
	}
	for _, k := range commands[:len(commands)-1] {
		u.hook(k.at, func(s *spec.Service, h spec.Hook) { s.Process.PreStart = append(s.Process.PreStart, h) })
	}
	for _, s := range u.sections {
		for _, k := range s.keys {
			switch s.name {
			case "Unit":
				u.unitField(k)
			case "Service":
				u.serviceField(k)
			case "Install":
				u.installField(k)
			default:
				if !strings.HasPrefix(s.name, "X-") {
					u.unknown(k.at)
				}
			}
		}
	}
	return nil
}

// environ remembers the variables that the unit sets.
func (u *unitFile) environ(a at) {
	if a.text == "" {
		clear(u.env)
		return
	}
	words, err := splitWords(a.text, systemdWords)
	if err != nil {
		return // the field says so
	}
	for _, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok {
			u.env[name] = u.specifiers(a, value)
		}
	}
}

// execPrefix are the characters in front of a command.
const execPrefix = "@-:+!|"

// execLine is a command of a unit.
type execLine struct {
	words   []string
	ignored bool // its failure is
}

// command reads one, with its prefixes and variables.
func (u *unitFile) command(a at, main bool) (execLine, error) {
	text := strings.TrimLeft(a.text, execPrefix)
	prefix := a.text[:len(a.text)-len(text)]
	var l execLine
	words, err := splitWords(text, systemdWords)
	if err != nil {
		return l, a.fail("", "%s", err)
	}
	if len(words) == 0 {
		return l, a.fail("a command", "%q runs nothing", a.field)
	}
	for _, p := range prefix {
		v := a
		v.text = string(p)
		switch p {
		case '-':
			if l.ignored = true; main {
				u.b.note(u.draft, v, "the failure of a service is a failure", "")
			}
		case '@':
			if len(words) > 1 {
				words = append(words[:1], words[2:]...)
			}
			u.b.note(u.draft, v, "a program is told the path that it was started with", "")
		case '+', '!':
			u.b.note(u.draft, v, "every command of a service has the rights of its account", "")
		case '|':
			u.b.note(u.draft, v, "no shell of a user is started", "name the shell in the command")
		}
	}
	l.words = u.variables(a, words, strings.Contains(prefix, ":"))
	return l, nil
}

// variables replaces $NAME and ${NAME}: with what the unit itself sets, or by a
// shell at the time of the start.
func (u *unitFile) variables(a at, words []string, none bool) []string {
	var out []string
	line := []string{"exec"} // for a shell
	needed := false
	for _, w := range words {
		name, dollar := strings.CutPrefix(w, "$")
		switch value, known := u.env[name]; {
		case none:
			out = append(out, u.specifiers(a, w))
		case dollar && variableName.MatchString(name) && known: // a word by itself is split
			out = append(out, strings.Fields(value)...)
			line = append(line, w)
		case dollar && variableName.MatchString(name):
			needed = true
			line = append(line, w)
		default:
			text, quoted, unknown := u.braced(a, w)
			needed = needed || unknown
			out, line = append(out, text), append(line, quoted)
		}
	}
	if needed {
		return []string{"/bin/sh", "-c", strings.Join(line, " ")}
	}
	return out
}

// braced replaces ${NAME} in one word. line is the word for a shell, in which
// unknown ones stay.
func (u *unitFile) braced(a at, word string) (text, line string, unknown bool) {
	var out strings.Builder
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	end := 0
	for _, m := range bracedVariable.FindAllStringSubmatchIndex(word, -1) {
		before := u.specifiers(a, strings.ReplaceAll(word[end:m[0]], "$$", "$"))
		end = m[1]
		out.WriteString(before)
		if before != "" {
			line += quoted(before)
		}
		name := word[m[2]:m[3]]
		if value, ok := u.env[name]; ok {
			out.WriteString(value)
			line += quoted(value)
			continue
		}
		unknown = true
		line += `"$` + "{{" + name + `}"`
	}
	rest := u.specifiers(a, strings.ReplaceAll(word[end:], "$$", "$"))
	out.WriteString(rest)
	if rest != "" || line == "" {
		line += quoted(rest)
	}
	return out.String(), line, unknown
}

// specifiers replaces those that begin with "%", as the system manager does.
func (u *unitFile) specifiers(a at, text string) string {
	prefix, instance, _ := strings.Cut(u.name, "@")
	values := map[byte]string{
		'%': "%", 'n': u.unit, 'N': u.name, 'p': prefix, 'P': prefix, 'i': instance, 'I': instance, 't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log",
		'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			out.WriteString(literal(text[i : i+1]))
			continue
		}
		i++
		if value, ok := values[text[i]]; ok {
			out.WriteString(literal(value))
			continue
		}
		out.WriteString(literal(text[i-1 : i+1]))
		v := a
		v.text = text[i-1 : i+1]
		u.b.note(u.draft, v, "no specifier that is known here: it stays as it is", "write what it stands for")
	}
	return out.String()
}

// hook adds a command beside the service.
func (u *unitFile) hook(a at, do func(*spec.Service, spec.Hook)) {
	if a.text == "" {
		u.note(a, "an empty one takes back those in front: look at them", "")
		return
	}
	l, err := u.command(a, false)
	if err != nil {
		u.note(a, first(err).Reason, "")
		return
	}
	u.set(a, func(s *spec.Service) { do(s, spec.Hook{Command: l.words, IgnoreFailure: l.ignored}) })
}
