package cli

import (
	"context"
	"flag"
	"io"
	"strings"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
)

// command is one node of the command tree. It has either subcommands or exec.
type command struct {
	name     string
	args     string // as the usage shows them: "SERVICE…"
	about    string // one sentence, without its full stop
	long     string // more of it; may be empty
	examples []string
	hidden   bool

	flags func(*flags) // its own flags; may be nil
	// node: it concerns a node, so that the node's settings are its flags too.
	node bool
	exec func(context.Context, *call) error
	// complete lists what may stand as the next argument.
	complete func(context.Context, *call) []string

	subs []*command
	path []string // names from the root's child to itself
}

// flags are a command's own flags.
type flags struct {
	*config.Set
	choices map[string][]string // values that a flag may have, by its name
}

// oneOf adds a flag that takes one of some words, the first by default.
func (f *flags) oneOf(name, usage string, words ...string) {
	f.CheckedVar(new(string), name, words[0], usage+": "+strings.Join(words, " or "), config.OneOf(words...))
	f.choices[name] = words
}

// within adds a flag for a time that is waited at most.
func (f *flags) within(name string, d time.Duration, usage string) {
	f.PositiveVar(new(time.Duration), name, d, usage)
}

// call is one use of a command.
type call struct {
	app     App
	root    *command
	command *command
	set     *config.Set
	choices map[string][]string
	node    config.Node
	args    []string
	environ []string
	stdin   io.Reader
	out     *render.Stream // data
	err     *render.Stream // everything else
	quiet   bool           // nobody reads notes
}

// text returns the value of one of the command's own flags.
func (c *call) text(name string) string { return c.set.Lookup(name).Value.String() }

// value returns the value of one of the command's own flags, of its type.
func value[T any](c *call, name string) T {
	return c.set.Lookup(name).Value.(flag.Getter).Get().(T)
}

// note tells something that is no data and no error.
func (c *call) note(text string) {
	if !c.quiet {
		_ = c.err.Print(c.err.Dim("note: " + text))
	}
}

// prepare resolves the paths of a tree.
func (m *command) prepare(path []string) *command {
	m.path = path
	for _, s := range m.subs {
		s.prepare(append(path[:len(path):len(path)], s.name))
	}
	return m
}

func (m *command) sub(name string) *command {
	for _, s := range m.subs {
		if s.name == name {
			return s
		}
	}
	return nil
}

// visible lists the subcommands that help shows.
func (m *command) visible() []*command {
	var list []*command
	for _, s := range m.subs {
		if !s.hidden {
			list = append(list, s)
		}
	}
	return list
}

// words is the command as it is typed, with the program's name.
func (m *command) words(app string) string {
	return strings.Join(append([]string{app}, m.path...), " ")
}

// usage is the line that shows how the command is called.
func (m *command) usage(app string) string {
	line := m.words(app)
	switch {
	case len(m.subs) > 0:
		return line + " COMMAND [flags]"
	case m.args != "":
		line += " " + m.args
	}
	return line + " [flags]"
}

// newSet makes the set of everything that the command takes.
func (m *command) newSet(c *call) *config.Set {
	set := config.New(strings.Join(m.path, " "))
	c.choices = map[string][]string{}
	c.node.Register(set)
	if m.flags != nil {
		m.flags(&flags{Set: set, choices: c.choices})
	}
	return set
}
