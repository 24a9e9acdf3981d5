package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/ui"
)

func eventsCommand() *command {
	return &command{
		name: "events", about: "show the node's facts, oldest first", node: true,
		examples: []string{"events --follow", "events --since 10m --service alpha", "events --since 41 --output jsonl"},
		flags: func(f *flags) {
			outputs("table", "jsonl")(f)
			f.Bool("follow", false, "go on with new facts")
			f.String("since", "", "begin there: a duration back from now, a time as in RFC 3339, or a sequence")
			f.String("service", "", "only facts about, or by, this service, daemon, stage or run")
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(0, 0); err != nil {
				return err
			}
			from, err := parseSince("since", c.text("since"), time.Now(), true)
			if err != nil {
				return err
			}
			show := func(ctx context.Context) error {
				return c.withConn(ctx, func(ctx context.Context, conn *bus.Conn) error { return c.events(ctx, conn, from) })
			}
			if value[bool](c, "follow") {
				return c.whileRead(ctx, show)
			}
			return show(ctx)
		},
	}
}

var errCaughtUp = errors.New("everything was read")

func (c *call) events(ctx context.Context, conn *bus.Conn, from since) error {
	show := c.eventRow
	if c.text(outputFlag) == "jsonl" {
		show = c.eventJSON
	}
	service := c.text("service")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := bus.Follow{Stream: events.StreamEvents, Filter: events.NodeFacts(c.node.Name), After: max(from.seq, 1) - 1}
	if !value[bool](c, "follow") {
		f.Live = func() { cancel(errCaughtUp) }
	}
	f.Reset = func() { c.note("the bus lost its memory: what follows is a new log") }
	err := conn.Follow(ctx, f, func(r events.Record) error {
		if r.Time.Before(from.time) {
			return nil
		}
		a, err := events.ParseFactSubject(string(r.Subject))
		if err == nil && service != "" && string(a.Entity) != service && string(a.Source) != service {
			return nil
		}
		return show(r)
	})
	if errors.Is(context.Cause(ctx), errCaughtUp) {
		return nil
	}
	return err
}

// eventJSON prints a record as one line: the envelope and where it stands.
func (c *call) eventJSON(r events.Record) error {
	line := struct {
		Seq uint64 `json:"seq"`
		*events.Envelope
		Error string `json:"error,omitempty"`
	}{Seq: r.Seq}
	if e, err := events.DecodeRecord(r); err == nil {
		line.Envelope = &e
	} else {
		line.Error = err.Error()
	}
	return json.NewEncoder(c.out).Encode(line)
}

// eventRow prints a record as a row. Rows come one by one, so that the widths of
// the columns are fixed.
func (c *call) eventRow(r events.Record) error {
	e, err := events.DecodeRecord(r)
	if err != nil {
		return c.out.Print(fmt.Sprintf("%6d  %s  %s", r.Seq, c.out.Dim(r.Time.UTC().Format(clock)), c.out.Tone(ui.Bad, render.Clean(err.Error()))))
	}
	return c.out.Print(fmt.Sprintf("%6d  %s  %-10s  %s  %s  %s",
		e.Seq, c.out.Dim(e.Time.UTC().Format(clock)), e.Source, c.out.Bold(fmt.Sprintf("%-12s", e.Entity)),
		c.out.Tone(factTone(e.Type), fmt.Sprintf("%-18s", e.Type)), detail(e.Data)))
}

// clock shows a time of the day, in UTC.
const clock = "15:04:05.000"

// factTone is how a fact sounds by its name.
func factTone(t events.Type) ui.Tone {
	switch t.Fact() {
	case "ready", "healthy", "completed", "opened", "accepted":
		return ui.OK
	case "failed", "unhealthy", "exhausted", "rejected", "refused", "malformed", "oversized", "unknown":
		return ui.Bad
	case "starting", "stopping", "waiting", "backed_off", "unready", "lines_dropped", "exited", "closed", "started", "advanced":
		return ui.Warn
	}
	return ui.Idle
}

// detail shows a fact's body as key=value, nested values as JSON.
func detail(data json.RawMessage) string {
	var body map[string]json.RawMessage
	if json.Unmarshal(data, &body) != nil {
		return render.Clean(string(data))
	}
	keys := make([]string, 0, len(body))
	for k := range body {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var parts []string
	for _, k := range keys {
		parts = append(parts, k+"="+scalar(body[k]))
	}
	return render.Clean(strings.Join(parts, " "))
}

// scalar is a JSON value as it is read: plain text without quotes.
func scalar(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil && s != "" && !strings.ContainsAny(s, " \"=") {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}
