package importer

import (
	"regexp"
	"strconv"
	"strings"

	"core.internal/shared/spec"
)

// supervisord reads the INI of supervisord.
func (b *batch) supervisord(doc Document) error {
	sections, err := readSupervisord(doc)
	if err != nil {
		return err
	}
	var always *setting
	for _, s := range sections {
		if k, ok := s.get("environment"); ok && s.name == "supervisord" {
			always = &k
		}
	}
	for _, s := range sections {
		kind, name, _ := strings.Cut(s.name, ":")
		if kind == "program" {
			p := &program{b: b, doc: doc, name: name}
			if err := p.read(s, always); err != nil {
				return err
			}
			continue
		}
		why, hint := "a setting of the supervisor itself", "see launcher config show for those of the node"
		switch kind {
		case "eventlistener":
			why, hint = "it speaks supervisord's protocol of events, which nothing here does", "launcher events --follow --output json tells what happens"
		case "fcgi-program":
			why, hint = "sockets are not handed to services", "let it listen on {ports.primary}"
		case "group":
			why, hint = "services have no groups", "profiles enable groups of them"
		case "include":
			why, hint = "other files are not read by themselves", "name them beside this one"
		}
		b.note(nil, s.at, why, hint)
		for _, k := range s.keys {
			if s.name != "supervisord" || k.name != "environment" {
				b.note(nil, k.at, why, hint)
			}
		}
	}
	return nil
}

// readSupervisord reads sections. A line that is indented goes on with the one
// before; what is behind " ;" is a comment, and so are lines with ";" or "#".
func readSupervisord(doc Document) ([]*section, error) {
	var list []*section
	var last *setting
	for i, text := range strings.Split(string(doc.Data), "\n") {
		body := strings.TrimSpace(text)
		a := at{file: doc.File, line: i + 1, column: strings.Index(text, body) + 1}
		if body == "" || body[0] == ';' || body[0] == '#' {
			continue
		}
		if c := inlineComment.FindStringIndex(body); c != nil {
			body = body[:c[0]]
		}
		end := max(strings.IndexAny(body, "=:"), 0)
		switch name, value, ok := strings.ToLower(strings.TrimSpace(body[:end])), body[min(end+1, len(body)):], end > 0; {
		case (text[0] == ' ' || text[0] == '\t') && last != nil:
			last.text += "\n" + body
		case body[0] == '[':
			if !strings.HasSuffix(body, "]") || len(body) < 3 {
				return nil, a.fail("a section as in [program:web]", "found %q", shorten(body))
			}
			a.field = body
			list, last = append(list, &section{at: a, name: strings.TrimSpace(body[1 : len(body)-1])}), nil
		case !ok || name == "":
			return nil, a.fail("name=value, a section or a comment", "found %q", shorten(body))
		case len(list) == 0:
			return nil, a.fail("a section in front, as in [program:web]", "found %q", shorten(body))
		default:
			s := list[len(list)-1]
			a.field, a.text = name, strings.TrimSpace(value)
			s.keys = append(s.keys, setting{a, a.field})
			last = &s.keys[len(s.keys)-1]
		}
	}
	return list, nil
}

var inlineComment = regexp.MustCompile(`\s+[;#].*$`)

// program is one program of supervisord.
type program struct {
	*draft
	b    *batch
	doc  Document
	name string
}

var expansion = regexp.MustCompile(`%(?:%|\((\w+)\)0?\d*[sd])`)

// expand turns %(ENV_X)s and its like into placeholders.
func (p *program) expand(a at, text string) string {
	var out strings.Builder
	end := 0
	for _, m := range expansion.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(literal(text[end:m[0]]))
		end = m[1]
		whole, name := text[m[0]:m[1]], ""
		if m[2] >= 0 {
			name = text[m[2]:m[3]]
		}
		v := a
		v.text = whole
		env, isEnv := strings.CutPrefix(name, "ENV_")
		switch {
		case whole == "%%":
			out.WriteByte('%')
		case isEnv:
			out.WriteString("{env." + env + "}")
		case name == "program_name", name == "group_name":
			out.WriteString(literal(p.name))
		case name == "here":
			out.WriteString(literal(p.doc.Dir))
		case name == "process_num":
			out.WriteString("{replica}")
			if strings.ContainsAny(whole[strings.IndexByte(whole, ')'):], "0123456789") {
				p.b.note(p.draft, v, "the number of a replica has no zeros in front", "")
			}
		case name == "numprocs":
			out.WriteString("1")
			p.b.note(p.draft, v, "how many there are is no placeholder: 1 was taken", "write the number")
		case name == "host_node_name":
			out.WriteString("{node.name}")
			p.b.note(p.draft, v, "the name of the node was taken, which is not that of the machine", "")
		default:
			out.WriteString(literal(whole))
			p.b.note(p.draft, v, "no expansion that is known: it stays as it is", "")
		}
	}
	out.WriteString(literal(text[end:]))
	return out.String()
}

func (p *program) read(s *section, always *setting) error {
	cmd, ok := s.get("command")
	if !ok {
		return s.at.fail("command=…", "%s runs nothing", s.name)
	}
	words, err := splitWords(cmd.text, posixWords)
	if err != nil {
		return cmd.fail("", "%s", err)
	}
	for i := range words {
		words[i] = p.expand(cmd.at, words[i])
	}
	dir := p.doc.Dir
	if d, ok := s.get("directory"); ok {
		dir = absolute(p.expand(d.at, d.text), p.doc.Dir)
	} else {
		dir = literal(dir)
	}
	if p.draft, err = p.b.add(cmd.at, p.name, words, p.doc.Dir, nil); err != nil {
		return err
	}
	where := s.at
	if d, ok := s.get("directory"); ok {
		where = d.at
	}
	p.set(where, func(s *spec.Service) { s.Process.WorkingDir = dir })
	if always != nil {
		p.environment(always.at)
	}
	for _, k := range s.keys {
		if last, _ := s.get(k.name); last.line != k.line {
			p.note(k.at, "it is said again further down, which counts", "")
			continue
		}
		p.field(k)
	}
	return nil
}

var assignment = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,'"]*?)\s*(?:,|$)`)

// environment reads KEY="value",KEY2=value2.
func (p *program) environment(a at) {
	for rest := strings.ReplaceAll(a.text, "\n", " "); strings.TrimSpace(rest) != ""; {
		m := assignment.FindStringSubmatch(rest)
		if m == nil {
			a.text = rest
			p.note(a, "no variables as in KEY=\"value\"", "")
			return
		}
		words, err := splitWords(m[2], posixWords)
		if value := strings.Join(words, " "); err == nil {
			p.env(a, m[1], p.expand(a, value))
		} else {
			p.note(a, err.Error(), "")
		}
		rest = rest[len(m[0]):]
	}
}

func (p *program) field(k setting) {
	a := k.at
	on, isBool := truth(k.text)
	switch k.name {
	case "command", "directory":
	case "environment":
		p.environment(a)
	case "autostart":
		if !isBool {
			p.note(a, "neither true nor false", "")
		} else if !on {
			p.set(a, func(s *spec.Service) { s.Profiles = nil })
		}
	case "autorestart":
		switch {
		case k.text == "unexpected":
			p.policy(a, spec.RestartOnFailure)
		case isBool && on:
			p.policy(a, spec.RestartAlways)
		case isBool:
			p.policy(a, spec.RestartNever)
		default:
			p.note(a, "no policy that is known: on-failure was taken", "")
		}
	case "exitcodes":
		if k.text != "0" {
			p.note(a, "only the exit status 0 is no failure", "")
		}
	case "startsecs":
		if v, ok := seconds(k.text); !ok || v > 0 {
			p.duration(a, v, ok, "seconds", func(s *spec.Service) { s.Process.RestartPolicy.ResetAfter = v })
		}
	case "startretries":
		p.maxRestarts(a, k.text)
	case "stopsignal":
		p.set(a, func(s *spec.Service) { s.Process.StopSignal = signal(k.text) })
	case "stopwaitsecs":
		v, ok := seconds(k.text)
		p.duration(a, v, ok, "seconds, more than 0", func(s *spec.Service) { s.Process.StopTimeout = v })
	case "user":
		p.set(a, func(s *spec.Service) { s.Process.User = spec.Account(k.text) })
	case "umask":
		p.set(a, func(s *spec.Service) { s.Process.Umask = spec.Mode(k.text) })
	case "numprocs":
		n, ok := count(k.text)
		if !ok || n == 0 {
			p.note(a, "no number of replicas", "")
		} else if n > 1 {
			p.after(a, func(s *spec.Service) { s.Process.Replicas = n })
		}
	case "numprocs_start":
		if k.text != "0" {
			p.note(a, "replicas are numbered from 0", "")
		}
	case "process_name":
		if k.text != "%(program_name)s" {
			p.note(a, "the replicas of a service are named ID-0, ID-1 and so on", "")
		}
	case "priority":
		p.note(a, "services are not ordered by numbers", "name what must come first in dependencies")
	case "stopasgroup", "killasgroup":
		if !on {
			p.note(a, "all processes of a service are ended", "")
		}
	case "redirect_stderr":
		if !on {
			p.note(a, "standard error goes to the file of standard output if none is named", "name it in logging.stderr")
		}
	default:
		p.logs(k)
	}
}

// logs is about the files that a program's output goes to.
func (p *program) logs(k setting) {
	a := k.at
	which, what, _ := strings.Cut(k.name, "_")
	switch {
	case which != "stdout" && which != "stderr":
		p.unknown(a)
	case what == "logfile" && (k.text == "AUTO" || k.text == ""):
	case what == "logfile" && (k.text == "NONE" || k.text == "syslog" || strings.HasPrefix(k.text, "/dev/")):
		p.note(a, "output always goes to the log files of the node", "launcher logs shows it")
	case what == "logfile":
		p.set(a, func(s *spec.Service) {
			path := absolute(p.expand(a, k.text), p.doc.Dir)
			if which == "stdout" {
				s.Logging.Stdout = path
			} else {
				s.Logging.Stderr = path
			}
		})
	case what == "logfile_maxbytes" && k.text == "0":
		p.note(a, "files are always rotated, by the setting of the node if a spec names no size", "name one in logging.maxSize")
	case what == "logfile_maxbytes":
		v, ok := bytesOf(k.text)
		if !ok {
			p.note(a, "no size", `want one as in "50MB"`)
			return
		}
		p.set(a, func(s *spec.Service) { s.Logging.MaxSize = v })
	case what == "logfile_backups":
		n, err := strconv.Atoi(k.text)
		if err != nil || n <= 0 {
			p.note(a, "no number of files that is more than 0", "")
			return
		}
		p.set(a, func(s *spec.Service) { s.Logging.MaxFiles = n })
	case what == "syslog", what == "capture_maxbytes" && k.text == "0", what == "events_enabled":
		if on, ok := truth(k.text); ok && on {
			p.note(a, "the output of a service goes to its files and the bus only", "launcher logs shows it")
		}
	default:
		p.unknown(a)
	}
}

// truth reads a boolean as supervisord and systemd do.
func truth(text string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "on", "1", "t", "y":
		return true, true
	case "false", "no", "off", "0", "f", "n":
		return false, true
	}
	return false, false
}
