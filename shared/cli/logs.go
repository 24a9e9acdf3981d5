package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/ui"
)

func logsCommand() *command {
	a := action(ui.ActionLogs)
	return &command{
		name: a.Verb, args: a.Args, about: a.About, node: true,
		long: "Lines come from the bus, which keeps the latest ones. Where it does not answer, and for daemons, they come from the\n" +
			"file on disk, which has all.",
		examples: []string{"logs alpha --follow", "logs alpha --tail 20", "logs beta --since 10m --output jsonl", "logs busd"},
		flags:    logFlags,
		complete: func(ctx context.Context, c *call) []string {
			if len(c.args) > 0 {
				return nil
			}
			return c.loggedNames(ctx)
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(1, 1); err != nil {
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
	f.Int("tail", 0, "begin with this many of the latest lines; 0 for all")
}

// logs prints what the entity that is its argument wrote.
func (c *call) logs(ctx context.Context) error {
	if value[bool](c, "follow") {
		return c.whileRead(ctx, c.printLogs)
	}
	return c.printLogs(ctx)
}

// printLogs takes the lines from the bus where it can.
func (c *call) printLogs(ctx context.Context) error {
	name := c.args[0]
	from, err := parseSince(c.text("since"), time.Now(), false)
	if err != nil {
		return err
	}
	if tail := value[int](c, "tail"); tail < 0 {
		return c.usageError(fmt.Errorf("flag --tail=\"%d\": want 0 or more", tail))
	}
	if err := events.CheckToken(name); err != nil {
		return c.usageError(err)
	}
	daemon := isDaemon(name)
	if !daemon {
		err := c.withSession(ctx, func(ctx context.Context, s *session) error { return c.busLogs(ctx, s, name, from) })
		var problem *Problem
		if !errors.As(err, &problem) || ctx.Err() != nil {
			return err
		}
		if _, ferr := os.Stat(c.node.Layout().Log(name)); ferr != nil {
			return err
		}
		c.note(fmt.Sprintf("%v; reading %s", problem.Err, c.node.Layout().Log(name)))
	}
	if !from.time.IsZero() {
		c.note("the lines of a file have no times: --since is not applied")
	}
	return c.fileLogs(ctx, name)
}

func isDaemon(name string) bool {
	for _, d := range events.Daemons() {
		if string(d) == name {
			return true
		}
	}
	return name == string(events.Launcher)
}

func (c *call) busLogs(ctx context.Context, s *session, name string, from since) error {
	st := s.view.State()
	entity := events.Entity(name)
	if ok, _ := action(ui.ActionLogs).Enabled(st, entity); !ok {
		return unknownEntity("service", name, append(names(st.Services), names(st.Runs)...))
	}
	_, isRun := st.Runs[entity]
	l := bus.Lines{Node: s.node, Entity: entity, Since: from.time, Tail: value[int](c, "tail"), Follow: value[bool](c, "follow")}
	return s.Lines(ctx, l, func(a events.LogAddress, line events.LogLine) error { return c.line(c.out, a, line, isRun) })
}

// logRecord is one line as JSON.
type logRecord struct {
	Time   *time.Time    `json:"time,omitempty"`
	Entity events.Entity `json:"entity"`
	Stream string        `json:"stream,omitempty"`
	Text   string        `json:"text"`
	Raw    []byte        `json:"raw,omitempty"`
	// Dropped lines before this one did not travel.
	Dropped int `json:"dropped,omitempty"`
}

// line prints one line; named says which stream, or step, it belongs to.
func (c *call) line(out *render.Stream, a events.LogAddress, l events.LogLine, named bool) error {
	if c.text(outputFlag) == "jsonl" {
		return json.NewEncoder(out).Encode(logRecord{Time: &l.Time, Entity: a.Entity, Stream: a.Stream, Text: l.Text, Raw: l.Raw, Dropped: l.Dropped})
	}
	if l.Dropped > 0 {
		c.note(fmt.Sprintf("%d lines came too fast to travel; %s has them", l.Dropped, c.node.Layout().Log(string(a.Entity))))
	}
	return writeLine(out, a.Stream, l, named)
}

// writeLine writes a line as it was written, whatever the terminal's width.
func writeLine(out *render.Stream, stream string, l events.LogLine, named bool) error {
	var b strings.Builder
	if named {
		b.WriteString(out.Dim("["+stream+"]") + " ")
	}
	if l.Raw != nil {
		b.Write(l.Raw)
	} else {
		b.WriteString(l.Text)
	}
	b.WriteByte('\n')
	_, err := out.Write([]byte(b.String()))
	return err
}
