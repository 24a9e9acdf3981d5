package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

func statusCommand() *command {
	return &command{
		name: "status", about: "show stages, daemons, services, runs and routes", node: true,
		long:     "A launcher that was killed is noted on standard error; its daemons run on. With --output json the member\n`launcher` has its pid and whether it runs; it is missing where --bus.url names a node that may be elsewhere.",
		examples: []string{"status", "status --watch", "status --wide", "status --output json"},
		flags: func(f *flags) {
			outputs("table", "json")(f)
			f.Bool("watch", false, "go on: redrawn in place on a terminal, as changes elsewhere, one document a line with --output json")
			f.Bool("wide", false, "show what the processes of services use: CPU (of one core), memory, file descriptors; as usage with --output json")
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(0, 0); err != nil {
				return err
			}
			if value[bool](c, "watch") {
				return c.whileRead(ctx, func(ctx context.Context) error { return c.withSession(ctx, c.statusWatch) })
			}
			return c.withSession(ctx, func(ctx context.Context, s *session) error {
				var used events.Usage
				if value[bool](c, "wide") {
					var err error
					if used, err = s.Usage(ctx, s.node, events.Procd); err != nil {
						return err
					}
				}
				if c.text(outputFlag) == "json" {
					return printJSON(c.out, c.document(s.view.State(), used))
				}
				return c.out.Print(c.statusLines(s.view.State(), used)...)
			})
		},
	}
}

func (c *call) document(st state.State, used events.Usage) state.Status {
	d := state.DocumentWith(st, used)
	d.Launcher = c.launcher()
	return d
}

// statusLines is a state as text, with what services use where that is wanted.
func (c *call) statusLines(st state.State, used events.Usage) []string {
	page := ui.Build(st, ui.Options{Now: time.Now(), Usage: used})
	if value[bool](c, "wide") {
		return pageText(c.out, page, wideTable(page.Services))
	}
	return pageLines(c.out, page)
}

// statusWatch shows the state as it changes.
func (c *call) statusWatch(ctx context.Context, s *session) error {
	if !value[bool](c, "wide") {
		return c.statusWatchWith(ctx, s, func() events.Usage { return events.Usage{} })
	}
	var last atomic.Pointer[events.Usage]
	last.Store(&events.Usage{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return s.WatchUsage(ctx, s.node, events.Procd, func(u events.Usage) { last.Store(&u) })
	})
	g.Go(func() error { return c.statusWatchWith(ctx, s, func() events.Usage { return *last.Load() }) })
	return g.Wait()
}

func (c *call) statusWatchWith(ctx context.Context, s *session, used func() events.Usage) error {
	switch {
	case c.text(outputFlag) == "json":
		return c.watch(ctx, s, func(st state.State) error { return json.NewEncoder(c.out).Encode(c.document(st, used())) })
	case c.out.Terminal:
		return c.watchScreen(ctx, s, used)
	}
	return c.watchChanges(ctx, s)
}

// pace is the least time between two pictures of a state that changes.
const pace = 100 * time.Millisecond

// watch hands each state to show, the first at once, at most one per pace.
func (c *call) watch(ctx context.Context, s *session, show func(state.State) error) error {
	changed := s.view.Watch(ctx)
	pause := time.NewTicker(pace)
	defer pause.Stop()
	for {
		if err := show(s.view.State()); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watchScreen redraws the page in place when something changed, and every second
// because ages do.
func (c *call) watchScreen(ctx context.Context, s *session, used func() events.Usage) error {
	screen := render.NewScreen(c.out)
	defer screen.Close()
	changed := s.view.Watch(ctx)
	pause, aging := time.NewTicker(pace), time.NewTicker(time.Second)
	defer pause.Stop()
	defer aging.Stop()
	for {
		lines := c.statusLines(s.view.State(), used())
		if !s.view.Live() || !s.NC.IsConnected() {
			lines = append(lines, "", c.out.Tone(ui.Bad, "disconnected: this is how it was; waiting for the bus"))
		}
		if err := screen.Draw(lines); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-aging.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watchChanges prints what is, then what changes.
func (c *call) watchChanges(ctx context.Context, s *session) error {
	var before *ui.Page
	return c.watch(ctx, s, func(st state.State) error {
		page := ui.Build(st, ui.Options{Now: time.Now()})
		var lines []string
		if before == nil {
			lines = pageLines(c.out, page)
		} else {
			for _, change := range changes(*before, page) {
				lines = append(lines, time.Now().Format("15:04:05.000")+"  "+change)
			}
		}
		before = &page
		if len(lines) == 0 {
			return nil
		}
		return c.out.Print(lines...)
	})
}

// changes says, one line each, what a page shows otherwise than the one before.
func changes(before, after ui.Page) []string {
	old := map[string]string{}
	for _, f := range features(before) {
		old[f.name] = f.text
	}
	var lines []string
	for _, f := range features(after) {
		if was, ok := old[f.name]; !ok || was != f.text {
			lines = append(lines, f.name+"  "+f.text)
		}
		delete(old, f.name)
	}
	for _, f := range features(before) {
		if _, gone := old[f.name]; gone {
			lines = append(lines, f.name+"  gone")
		}
	}
	return lines
}

type feature struct{ name, text string }

// features is what a page shows as lines that do not depend on the time.
func features(p ui.Page) []feature {
	list := []feature{{"node " + string(p.Node.Name), p.Node.State.Text + ", " + p.Node.Summary}}
	for _, g := range p.Stages {
		list = append(list, feature{"stage " + string(g.Name), phrase(g.State.Text, g.Took, g.Reason)})
	}
	for _, kind := range []struct {
		name string
		rows []ui.Service
	}{{"daemon ", p.Daemons}, {"service ", p.Services}} {
		for _, v := range kind.rows {
			pid := ""
			if v.PID > 0 {
				pid = fmt.Sprintf("pid %d", v.PID)
			}
			list = append(list, feature{kind.name + string(v.ID), phrase(v.State.Text, v.Health.Text, pid, v.Reason)})
		}
	}
	for _, r := range p.Runs {
		list = append(list, feature{"run " + string(r.ID), phrase(r.State.Text, r.Progress, r.Reason)})
	}
	for _, r := range p.Routes {
		list = append(list, feature{"route " + string(r.Service), phrase(r.State.Text, r.Reason)})
	}
	return list
}

// phrase joins what is not empty.
func phrase(parts ...string) string {
	text := ""
	for _, p := range parts {
		if p == "" {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += p
	}
	return render.Clean(text)
}

func printJSON(s *render.Stream, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = s.Write(append(b, '\n'))
	return err
}
