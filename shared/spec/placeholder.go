package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Vars are the values of placeholders. The directories are absolute.
type Vars struct {
	Bin       string         // {shared.dep.bin}: installed binaries
	ConfigDir string         // {shared.config.dir}: the service's own files
	DataDir   string         // {shared.config.dataDir}
	LogDir    string         // {shared.log.dir}
	Node      events.Node    // {node.name}
	Ports     map[string]int // {ports.<name>}: numbers for those that the spec leaves open
	Env       []string       // {env.NAME}: the supervisor's environment, as NAME=value
	NodeDir   string         // {node.dir}: the node's own directory
	Instance  string         // {instance}: the token of the instance
	// Secrets is {secret.NAME}; there are none if nil. Its errors must not have
	// the value in them.
	Secrets func(name string) (string, error)
}

// scope finds the values of one service's placeholders.
type scope struct {
	service ServiceID
	dep     *Dep // of the service, unresolved; nil if it has none
	replica int
	vars    Vars
	ports   map[string]int // as the spec has them, by name
	names   []string       // of all placeholders, sorted
	// trial: only the form is of interest. Values that are not known yet are
	// made up, and made says that it happened to a text that may be anything.
	trial bool
	made  bool
	// redacted: secrets stay placeholders.
	redacted bool
	secrets  bool // the text at hand may have secrets
}

func (s Located) newScope(v Vars) *scope {
	c := &scope{service: s.ID, dep: s.Dep, replica: s.Replica, vars: v, ports: map[string]int{}}
	c.names = []string{
		"env.NAME", "instance", "node.dir", "node.name", "replica", "secret.NAME", "service.id",
		"shared.config.dataDir", "shared.config.dir", "shared.dep.bin", "shared.log.dir",
	}
	if s.Dep != nil && s.Dep.Version != "" {
		c.names = append(c.names, "shared.dep.version")
	}
	for _, p := range s.AllPorts() {
		c.ports[p.Name] = p.Port.Port
		c.names = append(c.names, "ports."+p.Name)
	}
	slices.Sort(c.names)
	return c
}

// known lists the placeholders in words, the first of them where there are many.
func (c *scope) known() string {
	names, more := c.names, ""
	if len(names) > 30 {
		names, more = names[:30], ", …"
	}
	return "one of {" + strings.Join(names, "}, {") + "}" + more
}

// value is the value of one placeholder.
func (c *scope) value(name string) (string, *Error) {
	if variable, ok := strings.CutPrefix(name, "env."); ok {
		return c.variable(variable)
	}
	if secret, ok := strings.CutPrefix(name, "secret."); ok {
		return c.secret(secret)
	}
	if port, ok := strings.CutPrefix(name, "ports."); ok {
		if n, known := c.ports[port]; known {
			return c.port(port, n)
		}
	}
	values := map[string]string{
		"node.name": string(c.vars.Node), "shared.dep.bin": c.vars.Bin, "shared.config.dir": c.vars.ConfigDir,
		"shared.config.dataDir": c.vars.DataDir, "shared.log.dir": c.vars.LogDir,
		"service.id": string(c.service), "replica": strconv.Itoa(c.replica), "instance": c.vars.Instance, "node.dir": c.vars.NodeDir,
	}
	if c.dep != nil {
		values["shared.dep.version"] = c.dep.Version
	}
	value, ok := values[name]
	switch {
	case ok && value != "":
		return value, nil
	case name == "shared.dep.version":
		return "", &Error{Reason: "placeholder {shared.dep.version}: the spec has no dep.version"}
	case ok:
		return "", &Error{Reason: fmt.Sprintf("placeholder {%s} has no value here", name)}
	}
	reason := fmt.Sprintf("unknown placeholder {%s}", shorten(name))
	if near := config.Suggest(name, c.names); near != "" {
		reason += fmt.Sprintf(": did you mean {%s}?", near)
	}
	return "", &Error{Reason: reason, Want: c.known()}
}

func (c *scope) variable(name string) (string, *Error) {
	if shapes["variable"].check(name) != "" {
		return "", &Error{Reason: fmt.Sprintf("placeholder {env.%s}", shorten(name)), Want: shapes["variable"].want}
	}
	if c.trial {
		c.made = true
		return "x", nil
	}
	// As for a process, the last of several wins.
	for _, kv := range slices.Backward(c.vars.Env) {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value, nil
		}
	}
	if c.redacted {
		c.made = true
		return "{env." + name + "}", nil
	}
	return "", &Error{Reason: fmt.Sprintf("placeholder {env.%s}: the variable %s is not set", name, name)}
}

// secret is the value of a secret. No error has it.
func (c *scope) secret(name string) (string, *Error) {
	placeholder := fmt.Sprintf("placeholder {secret.%s}", shorten(name))
	switch {
	case shapes["secret"].check(name) != "":
		return "", &Error{Reason: placeholder, Want: shapes["secret"].want}
	case !c.secrets:
		return "", &Error{
			Reason: placeholder + ": everybody on the machine could read a secret here",
			Want:   "it in process.env, or in a file that process.ensure makes, by its content or a template",
		}
	case c.trial:
		c.made = true
		return "x", nil
	case c.redacted:
		return "{secret." + name + "}", nil
	case c.vars.Secrets == nil:
		return "", &Error{Reason: placeholder + " has no value here"}
	}
	value, err := c.vars.Secrets(name)
	if err != nil {
		return "", &Error{Reason: placeholder + ": " + err.Error()}
	}
	if strings.ContainsRune(value, 0) {
		return "", &Error{Reason: placeholder + ": the secret has a NUL character", Want: "text without it"}
	}
	return value, nil
}

func (c *scope) port(name string, n int) (string, *Error) {
	if given := c.vars.Ports[name]; given != 0 {
		n = given
	}
	if n == 0 && c.trial {
		n = 1
	}
	if n == 0 && c.redacted {
		c.made = true
		return "{ports." + name + "}", nil
	}
	if n == 0 {
		return "", &Error{Reason: fmt.Sprintf("placeholder {ports.%s}: the port has no number yet", name)}
	}
	return strconv.Itoa(n), nil
}

// expand replaces the placeholders of a text. "{{" stands for "{".
func expand(text string, value func(name string) (string, *Error)) (string, *Error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if after, ok := strings.CutPrefix(rest, "{"); ok {
			b.WriteByte('{')
			text = after
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" || strings.ContainsAny(name, "{\"' \t\n") {
			return "", &Error{
				Reason: fmt.Sprintf("%q is no placeholder", shorten("{"+rest)),
				Want:   `a name in braces, as in {ports.primary}, or "{{" for a brace`,
			}
		}
		v, err := value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		text = after
	}
}
