package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/ui"
)

func traceCommand() *command {
	return &command{
		name: "trace", args: "SERVICE", about: "tell the restarts of a service from the event history", node: true,
		long: "One row for each instance, oldest first: an instance that a restarted procd adopted is one. The history reaches as far\n" +
			"back as the bus keeps facts. Times are in UTC. With --output jsonl a line for each instance, then one with the totals;\n" +
			"what lasts is in milliseconds.",
		examples: []string{"trace alpha", "trace alpha --since 24h", "trace alpha --output jsonl"},
		flags: func(f *flags) {
			outputs("table", "jsonl")(f)
			f.String("since", "", "leave out the instances that ended before: a duration back from now, or a time as in RFC 3339")
		},
		complete: completeOne,
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(1, 1); err != nil {
				return err
			}
			from, err := parseSince("since", c.text("since"), time.Now(), false)
			if err != nil {
				return err
			}
			return c.withSession(ctx, func(ctx context.Context, s *session) error { return c.trace(ctx, s, from.time) })
		},
	}
}

func (c *call) trace(ctx context.Context, s *session, from time.Time) error {
	_, source, err := c.supervised(ctx, s, c.args[0])
	if err != nil {
		return err
	}
	facts, err := c.history(ctx, s.Conn, source, events.Entity(c.args[0]))
	if err != nil {
		return err
	}
	t := ui.Tell(events.Entity(c.args[0]), facts, from, time.Now())
	if c.text(outputFlag) != "jsonl" {
		return c.out.Print(traceLines(c.out, t)...)
	}
	out := json.NewEncoder(c.out)
	for _, l := range t.Instances {
		if err := out.Encode(l); err != nil {
			return err
		}
	}
	return out.Encode(struct {
		Service events.Entity `json:"service"`
		Totals  ui.Totals     `json:"totals"`
	}{t.Service, t.Totals})
}

// day shows a time with its day, in UTC.
const day = "01-02 15:04:05"

// traceLines is a trace as text.
func traceLines(s *render.Stream, t ui.Trace) []string {
	if len(t.Instances) == 0 {
		return []string{fmt.Sprintf("no instance of %s in the event history", t.Service)}
	}
	table := &render.Table{Columns: []render.Column{
		{Title: "STARTED"}, {Title: "PID", Right: true, Drop: 1}, {Title: "WHY", Flex: true}, {Title: "HEALTHY", Right: true},
		{Title: "UPTIME", Right: true}, {Title: "ENDED", Flex: true}, {Title: "THEN", Flex: true, Drop: 2},
	}}
	for _, l := range t.Instances {
		pid, healthy, tone := "", "never", ui.Idle
		if l.PID > 0 {
			pid = strconv.Itoa(l.PID)
		}
		if l.Took >= 0 {
			healthy = "after " + ui.Took(milliseconds(l.Took))
		}
		how := l.How
		if l.Sick > 1 || l.Sick == 1 && !l.Crashed {
			how += fmt.Sprintf("; unhealthy %d×", l.Sick)
		}
		for _, at := range l.Adopted {
			how += "; adopted " + at.UTC().Format(time.TimeOnly)
		}
		switch {
		case l.Crashed:
			tone = ui.Bad
		case l.Ended.IsZero():
			tone = ui.OK
		}
		table.Add(render.Text(l.Began.UTC().Format(day)), render.Text(pid), render.Text(l.Why), render.Text(healthy),
			render.Text(ui.Took(milliseconds(l.Uptime))), render.Toned(how, tone), render.Text(l.Then))
	}
	n := t.Totals
	sum := fmt.Sprintf("%s: %s, %d ended unasked, %d asked to", t.Service, count(n.Instances, "instance"), n.Crashes, n.Asked)
	if n.Adopted > 0 {
		sum += fmt.Sprintf(", adopted %d×", n.Adopted)
	}
	if n.Backoff > 0 {
		sum += ", " + ui.Took(milliseconds(n.Backoff)) + " in backoff"
	}
	if n.Span > 0 {
		sum += fmt.Sprintf("; healthy %.1f %% of %s", 100*float64(n.Healthy)/float64(n.Span), ui.Span(milliseconds(n.Span)))
	}
	return append(table.Lines(s), "", sum)
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
