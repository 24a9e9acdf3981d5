package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

func pipelineCommand() *command {
	run, cancel := action(ui.ActionRun), action(ui.ActionCancel)
	return &command{
		name: "pipeline", about: "list and run pipelines",
		subs: []*command{
			{
				name: "list", about: "show the pipelines and their parameters", node: true, flags: outputs("table", "json"),
				exec: func(ctx context.Context, c *call) error { return c.pipelineList() },
			},
			{
				name: leaf(run.Verb), args: run.Args, about: run.About, node: true,
				long:     "Prints the run's name. With --follow its steps and their output are shown on standard error until it ends, and a\nrun that does not complete is a failure.",
				examples: []string{"pipeline run build --follow", "pipeline run build targets=busd,procd"},
				flags: func(f *flags) {
					f.Bool("follow", false, "show steps and output until the run ends")
					f.within("timeout", defaultPatience, "how long to wait until the run is taken")
				},
				complete: completeRun,
				exec:     func(ctx context.Context, c *call) error { return c.pipelineRun(ctx) },
			},
			{
				name: "status", args: "[RUN]", about: "show the runs, or the steps of one", node: true,
				flags: outputs("table", "json"), complete: completeRuns,
				exec: func(ctx context.Context, c *call) error { return c.pipelineStatus(ctx) },
			},
			{
				name: leaf(cancel.Verb), args: cancel.Args, about: cancel.About, node: true,
				flags: func(f *flags) {
					f.Bool("wait", true, "return when the run has ended")
					f.within("timeout", defaultPatience, "how long to wait")
				},
				complete: completeRuns,
				exec:     func(ctx context.Context, c *call) error { return c.pipelineCancel(ctx) },
			},
			{
				name: "logs", args: "RUN", about: "show what the steps of a run wrote", node: true,
				flags: logFlags, complete: completeRuns,
				exec: func(ctx context.Context, c *call) error {
					if err := c.arguments(1, 1); err != nil {
						return err
					}
					return c.logs(ctx)
				},
			},
		},
	}
}

// leaf is the last word of a verb.
func leaf(verb string) string { return verb[strings.LastIndex(verb, " ")+1:] }

func (c *call) pipelineList() error {
	if err := c.arguments(0, 0); err != nil {
		return err
	}
	all, err := c.app.Pipelines(c.node)
	if err != nil {
		return err
	}
	if c.text(outputFlag) == "json" {
		if all == nil {
			all = []pipeline.Description{}
		}
		return printJSON(c.out, all)
	}
	t := &render.Table{Columns: []render.Column{
		{Title: "PIPELINE"}, {Title: "STEPS", Right: true}, {Title: "ABOUT", Flex: true}, {Title: "PARAMETER"}, {Title: "DEFAULT", Drop: 2}, {Title: "MEANING", Flex: true, Drop: 1},
	}}
	for _, p := range all {
		cells := []render.Cell{{Text: p.Name, Bold: true}, render.Text(fmt.Sprint(len(p.Steps))), render.Text(p.About)}
		if len(p.Params) == 0 {
			t.Add(cells...)
		}
		for _, param := range p.Params {
			t.Add(append(cells, render.Text(param.Name), render.Text(param.Default), render.Text(param.About))...)
			cells = make([]render.Cell, 3)
		}
	}
	return c.out.Print(t.Lines(c.out)...)
}

func (c *call) pipelineStatus(ctx context.Context) error {
	if err := c.arguments(0, 1); err != nil {
		return err
	}
	return c.withSession(ctx, func(ctx context.Context, s *session) error {
		st := s.view.State()
		page, document := ui.Build(st, ui.Options{Now: time.Now()}), state.Document(st)
		asJSON := c.text(outputFlag) == "json"
		if len(c.args) == 0 {
			if asJSON {
				return printJSON(c.out, document.Runs)
			}
			return c.out.Print(runsTable(page.Runs).Lines(c.out)...)
		}
		name := events.Entity(c.args[0])
		for _, r := range document.Runs {
			if r.ID == name && asJSON {
				return printJSON(c.out, r)
			}
		}
		for _, r := range page.Runs {
			if r.ID == name {
				lines := runsTable([]ui.Run{r}).Lines(c.out)
				return c.out.Print(append(append(lines, ""), stepsTable(r.Steps).Lines(c.out)...)...)
			}
		}
		return unknownEntity("run", c.args[0], names(st.Runs))
	})
}

func (c *call) pipelineCancel(ctx context.Context) error {
	if err := c.arguments(1, 1); err != nil {
		return err
	}
	return c.withSession(ctx, func(ctx context.Context, s *session) error {
		st := s.view.State()
		if _, ok := st.Runs[events.Entity(c.args[0])]; !ok {
			return unknownEntity("run", c.args[0], names(st.Runs))
		}
		a := action(ui.ActionCancel)
		limit, cancel := context.WithTimeout(ctx, value[time.Duration](c, "timeout"))
		defer cancel()
		to, body := a.Request(ui.Target{Node: s.node, Entity: events.Entity(c.args[0])})
		sent := time.Now()
		id, err := s.Send(limit, to, body)
		if err != nil {
			return err
		}
		r := request{entity: events.Entity(c.args[0]), id: id, sent: sent}
		if !value[bool](c, "wait") {
			return c.result(ui.Idle, r, a, "requested")
		}
		o, _, err := s.outcome(limit, a, id)
		if err != nil {
			return err
		}
		if o.State != state.OutcomeCompleted {
			return fmt.Errorf("cancel run %s: %s: %s", c.args[0], o.State, o.Reason)
		}
		return c.result(ui.OK, r, a, string(o.State))
	})
}

func (c *call) pipelineRun(ctx context.Context) error {
	if err := c.arguments(1, -1); err != nil {
		return err
	}
	params := map[string]string{}
	for _, arg := range c.args[1:] {
		key, v, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return c.usageError(fmt.Errorf("parameter %q: want KEY=VALUE", arg))
		}
		if _, twice := params[key]; twice {
			return c.usageError(fmt.Errorf("parameter %q is given twice", key))
		}
		params[key] = v
	}
	if err := events.CheckToken(c.args[0]); err != nil {
		return c.usageError(err)
	}
	return c.withSession(ctx, func(ctx context.Context, s *session) error {
		a := action(ui.ActionRun)
		name := ui.RunName(c.args[0], bus.NewID())
		limit, cancel := context.WithTimeout(ctx, value[time.Duration](c, "timeout"))
		defer cancel()
		to, body := a.Request(ui.Target{Node: s.node, Entity: events.Entity(c.args[0]), Run: name, Params: params})
		id, err := s.Send(limit, to, body)
		if err != nil {
			return err
		}
		o, _, err := s.outcome(limit, a, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &Problem{Err: fmt.Errorf("pipelined did not take the run within %s", value[time.Duration](c, "timeout")), Fix: fmt.Sprintf("`%s logs pipelined`", c.app.Name)}
		case o.State == state.OutcomeRejected:
			return errors.New(o.Reason)
		}
		if err := c.out.Print(string(name)); err != nil || !value[bool](c, "follow") {
			return err
		}
		return c.followRun(ctx, s, name)
	})
}

// followRun shows a run on standard error until it ends.
func (c *call) followRun(ctx context.Context, s *session, name events.Entity) error {
	// Output and state come on two ways: what the first one has not yet brought
	// when the run has ended is read then.
	shown := map[string]time.Time{} // the last line shown of each step
	show := func(a events.LogAddress, l events.LogLine) error {
		if !l.Time.After(shown[a.Stream]) {
			return nil
		}
		shown[a.Stream] = l.Time
		return writeLine(c.err, l, c.err.Dim("["+a.Stream+"]")+" ")
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		err := s.Lines(reading, bus.Lines{Node: s.node, Entity: name, Follow: true}, show)
		if reading.Err() != nil {
			return nil
		}
		return err
	})
	st, err := s.view.Wait(ctx, func(st state.State) bool {
		r, ok := st.Runs[name]
		return ok && r.Ended()
	})
	stop()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	if err := s.Lines(ctx, bus.Lines{Node: s.node, Entity: name}, show); err != nil {
		return err
	}
	for _, r := range ui.Build(s.view.State(), ui.Options{Now: time.Now()}).Runs {
		if r.ID == name {
			_ = c.err.Print(append([]string{""}, stepsTable(r.Steps).Lines(c.err)...)...)
		}
	}
	if run := st.Runs[name]; run.State != events.StepCompleted {
		return &Problem{Err: fmt.Errorf("run %s %s: %s", name, run.State, run.Reason), Fix: fmt.Sprintf("`%s pipeline logs %s`", c.app.Name, name)}
	}
	return nil
}
