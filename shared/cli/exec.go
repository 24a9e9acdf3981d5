package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
)

// Exec is the whole program. args are without the program's name. It has told
// the user about the error that it returns, which is for [ExitCode].
func Exec(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer, app App) error {
	c := &call{
		app: app, root: tree(), environ: environ, stdin: stdin,
		out: render.New(stdout, environ), err: render.New(stderr, environ),
	}
	err := c.run(ctx, args)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		if err = interrupted(ctx); err == nil {
			return nil
		}
	}
	report(c.err, err)
	return err
}

// run finds the command, resolves its settings and has ffcli dispatch to it.
//
// ffcli alone would take a flag behind an argument for an argument, hand a
// misspelt subcommand to its parent, and match names without regard to case. So
// the words are sorted out first, and it gets the path and the arguments.
func (c *call) run(ctx context.Context, args []string) error {
	m, rest, err := c.find(args)
	if err != nil {
		return err
	}
	c.command = m
	c.set = m.newSet(c)
	err = c.set.Parse(rest, c.environ)
	c.args = c.set.Args()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c.help(c.out, m)
	case err != nil:
		return c.usageError(err)
	case len(m.subs) > 0:
		if err := c.help(c.err, m); err != nil {
			return err
		}
		return &config.UsageError{Err: fmt.Errorf("%s: which command?", m.words(c.app.Name))}
	}
	if m.node {
		if err := c.node.Validate(); err != nil {
			return c.usageError(err)
		}
	}
	dispatch := append(append([]string{}, m.path...), "--")
	return c.dispatcher(c.root).ParseAndRun(ctx, append(dispatch, c.args...))
}

// dispatcher is the tree as ffcli knows it.
func (c *call) dispatcher(m *command) *ffcli.Command {
	f := &ffcli.Command{
		Name: m.name, ShortUsage: m.usage(c.app.Name), ShortHelp: m.about, LongHelp: m.long,
		FlagSet: flag.NewFlagSet(m.name, flag.ContinueOnError),
	}
	f.FlagSet.SetOutput(io.Discard)
	if m.exec != nil {
		f.Exec = func(ctx context.Context, args []string) error {
			c.args = args
			return m.exec(ctx, c)
		}
	}
	for _, s := range m.subs {
		f.Subcommands = append(f.Subcommands, c.dispatcher(s))
	}
	return f
}

// find takes the words of the command's path out of the arguments, wherever
// flags stand among them.
func (c *call) find(args []string) (m *command, rest []string, err error) {
	m = c.root
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--" || len(m.subs) == 0:
			return m, append(rest, args[i:]...), nil
		case len(arg) > 1 && arg[0] == '-':
			rest = append(rest, arg)
			if i+1 < len(args) && c.takesValue(m, arg) {
				i++
				rest = append(rest, args[i])
			}
			continue
		}
		sub := m.sub(arg)
		if sub == nil {
			return nil, nil, c.unknown(m, arg)
		}
		m = sub
	}
	return m, rest, nil
}

// takesValue reports whether the argument after a flag belongs to it, for a flag
// of any command below m.
func (c *call) takesValue(m *command, arg string) bool {
	name, _, assigned := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if assigned {
		return false
	}
	scratch := &call{}
	f := m.newSet(scratch).Lookup(name)
	if f == nil {
		for _, s := range m.subs {
			if c.takesValue(s, arg) {
				return true
			}
		}
		return false
	}
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

func (c *call) unknown(m *command, word string) error {
	var names []string
	for _, s := range m.visible() {
		names = append(names, s.name)
	}
	err := fmt.Errorf("unknown command %q", strings.TrimSpace(strings.Join(append(m.path[:len(m.path):len(m.path)], word), " ")))
	if near := config.Suggest(word, names); near != "" {
		near = strings.Join(append(m.path[:len(m.path):len(m.path)], near), " ")
		return &config.UsageError{Err: &Problem{Err: fmt.Errorf("%w: did you mean %q?", err, near), Fix: fmt.Sprintf("`%s --help` lists the commands", m.words(c.app.Name))}}
	}
	return &config.UsageError{Err: &Problem{Err: err, Fix: fmt.Sprintf("`%s --help` lists the commands", m.words(c.app.Name))}}
}

// usageError adds where to read on.
func (c *call) usageError(err error) error {
	return &config.UsageError{Err: errors.Join(append(split(err), &fixOnly{fmt.Sprintf("`%s --help` shows how it is used", c.command.words(c.app.Name))})...)}
}

// fixOnly is the last line of a block of errors.
type fixOnly struct{ fix string }

func (f *fixOnly) Error() string { return "fix: " + f.fix }

// arguments checks how many there are; most is -1 for any number.
func (c *call) arguments(least, most int) error {
	switch n := len(c.args); {
	case n < least:
		return c.usageError(fmt.Errorf("%s: which %s?", c.command.words(c.app.Name), strings.ToLower(strings.Trim(strings.Fields(c.command.args)[n], "…[]"))))
	case most >= 0 && n > most:
		return c.usageError(fmt.Errorf("%s: unexpected argument %q", c.command.words(c.app.Name), c.args[most]))
	}
	return nil
}
