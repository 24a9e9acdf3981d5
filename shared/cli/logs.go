package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

func logsCommand() *command {
	a := action(ui.ActionLogs)
	return &command{
		name: a.Verb, args: a.Args, about: a.About, node: true,
		long: "Lines come from the bus, which keeps the latest ones. Where it does not answer, and for daemons, they come from the\n" +
			"file on disk, which has all. Those of several stand in the order in which they came, each behind a name. --level and\n" +
			"--grep choose lines, of which --tail counts those that are left; a line that says nothing of its level has none.",
		examples: []string{"logs alpha --follow", "logs alpha --tail 20", "logs alpha beta --since 10m --output jsonl", "logs alpha --level warn --grep 'time.?out'", "logs busd"},
		flags:    logFlags,
		complete: func(ctx context.Context, c *call) []string {
			return c.loggedNames(ctx)
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(1, -1); err != nil {
				return err
			}
			return c.logs(ctx)
		},
	}
}

func logFlags(f *flags) {
	outputs("text", "jsonl")(f)
	f.Bool("follow", false, "go on with new lines")
	f.String("since", "", "begin there: a duration back from now, or a time as in RFC 3339")
	f.String("until", "", "end there: a duration back from now, or a time as in RFC 3339")
	f.Int("tail", 0, "begin with this many of the latest lines; 0 for all")
	f.String("level", "", "only lines of this level and above: "+levelNames())
	f.String("grep", "", "only lines that this regular expression (RE2) matches")
}

func levelNames() string {
	var names []string
	for _, l := range events.Levels() {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}

// logs prints what the entities that are its arguments wrote.
func (c *call) logs(ctx context.Context) error {
	if value[bool](c, "follow") {
		return c.whileRead(ctx, c.printLogs)
	}
	return c.printLogs(ctx)
}

// printLogs takes the lines from the bus where it can.
func (c *call) printLogs(ctx context.Context) error {
	p, err := newLogPrinter(c, c.args)
	if err != nil {
		return err
	}
	var daemons, others []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(c.args))) {
		if isDaemon(name) {
			daemons = append(daemons, name)
		} else {
			others = append(others, name)
		}
	}
	var parts []func(context.Context) error
	if len(others) > 0 {
		parts = append(parts, func(ctx context.Context) error { return c.serviceLogs(ctx, p, others) })
	}
	for _, name := range daemons {
		parts = append(parts, func(ctx context.Context) error { return c.fileLogs(ctx, p, name) })
	}
	return c.all(ctx, parts)
}

// all does parts one after the other, or at once where each goes on.
func (c *call) all(ctx context.Context, parts []func(context.Context) error) error {
	if !value[bool](c, "follow") {
		for _, part := range parts {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// serviceLogs prints from the bus, or from files where it does not answer.
func (c *call) serviceLogs(ctx context.Context, p *logPrinter, names []string) error {
	err := c.withSession(ctx, func(ctx context.Context, s *session) error { return c.busLogs(ctx, s, p, names) })
	var problem *Problem
	if !errors.As(err, &problem) || ctx.Err() != nil {
		return err
	}
	var parts []func(context.Context) error
	for _, name := range names {
		path := c.node.Layout().Log(name)
		if _, ferr := os.Stat(path); ferr != nil {
			return err
		}
		c.note(fmt.Sprintf("%v; reading %s", problem.Err, path))
		parts = append(parts, func(ctx context.Context) error { return c.fileLogs(ctx, p, name) })
	}
	return c.all(ctx, parts)
}

func isDaemon(name string) bool {
	for _, d := range events.Daemons() {
		if string(d) == name {
			return true
		}
	}
	return name == string(events.Launcher)
}

func (c *call) busLogs(ctx context.Context, s *session, p *logPrinter, wanted []string) error {
	known := func(st state.State, id events.Entity) bool {
		ok, _ := action(ui.ActionLogs).Enabled(st, id)
		return ok
	}
	st, err := c.registered(ctx, s, wanted, known)
	if err != nil {
		return err
	}
	l := bus.Lines{
		Node: s.node, Since: p.since, Until: p.until, Match: p.match,
		Tail: value[int](c, "tail"), Follow: value[bool](c, "follow"),
	}
	for i, name := range wanted {
		entity := events.Entity(name)
		if !known(st, entity) {
			return unknownEntity("service", name, append(names(st.Services), names(st.Runs)...))
		}
		if i == 0 {
			l.Entity = entity
		} else {
			l.More = append(l.More, entity)
		}
	}
	return s.Lines(ctx, l, func(a events.LogAddress, line events.LogLine) error {
		_, isRun := st.Runs[a.Entity]
		return p.line(a, line, isRun)
	})
}
