package importer

import (
	"regexp"
	"strconv"
	"strings"

	"core.internal/shared/spec"
)

var (
	procfileLine = regexp.MustCompile(`^([^\s:#][^:]*?)\s*:\s*(.*?)\s*$`)
	portInShell  = regexp.MustCompile(`\$\{?PORT\b`)
)

// portStep is how far the ports of a Procfile's processes are from each other.
const portStep = 100

// procfile reads lines of the form "name: command", as goreman and foreman do.
func (b *batch) procfile(doc Document) error {
	seen := map[string]int{}
	port := b.opt.BasePort
	for i, text := range strings.Split(string(doc.Data), "\n") {
		text = strings.TrimRight(text, " \t\r")
		body := strings.TrimLeft(text, " \t")
		if body == "" || strings.HasPrefix(body, "#") {
			continue
		}
		a := at{file: doc.File, line: i + 1, column: len(text) - len(body) + 1}
		m := procfileLine.FindStringSubmatch(body)
		if m == nil {
			return a.fail(`a line as in "web: bin/web --port $PORT", or a comment`, "found %q", shorten(body))
		}
		name, command := m[1], m[2]
		a.field, a.text = name, command
		if line, twice := seen[name]; twice {
			return a.fail("a name of its own", "the name is that of line %d already", line)
		}
		seen[name] = i + 1
		if command == "" {
			return a.fail("a command behind the colon", "it runs nothing")
		}
		l := readShell(command, []string{"/bin/sh", "-c"}, map[string]string{"PORT": "{ports.primary}"})
		d, err := b.addShell(a, name, l, doc.Dir, procfilePort)
		if err != nil {
			return err
		}
		if number := port; number > 0 {
			d.after(at{a.file, a.line, 0, "PORT", strconv.Itoa(number)}, func(s *spec.Service) { s.Ports.Primary.Port = number })
		}
		if port > 0 {
			port += portStep
		}
		if b.opt.EnvFile != "" {
			d.set(at{a.file, a.line, 0, ".env", b.opt.EnvFile}, func(s *spec.Service) { s.Process.EnvFile = []string{literal(b.opt.EnvFile)} })
		}
		if !l.shell && strings.Contains(command, "$") && !portInShell.MatchString(command) {
			d.note(a, "a dollar sign that is quoted stays as it is", "")
		}
	}
	if len(b.drafts) > 0 {
		all := func(field, why, hint string) { b.note(nil, at{file: doc.File, line: 1, field: field}, why, hint) }
		all("environment", "a service does not get the variables of the shell that started the node, only PATH, HOME, LANG, TZ and TMPDIR",
			"name what it needs in process.env, as in \"{env.NAME}\", or in process.envFile")
		all("restarts", "a Procfile's process is not started again; a service is, after a failure", `for the old way say "restartPolicy": "never"`)
		all("health", "a Procfile cannot say when a process works", "add a health check, and caddy.expose for what speaks HTTP")
	}
	return nil
}

// procfilePort gives a service a port, as goreman and foreman give a process.
func procfilePort(s *spec.Service) {
	s.Ports.Primary = &spec.Port{}
	s.Process.Env = map[string]string{"PORT": "{ports.primary}"}
}
