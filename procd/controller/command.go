package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// command carries out one command. What it asks for is wanted when command
// returns, and its outcome is stated when it has come about.
func (c *controller) command(ctx context.Context, m bus.Command) error {
	if o, ok := c.view.State().Outcome(m.ID); ok {
		c.again(ctx, o)
		return nil
	}
	verb := m.Type.Verb()
	if _, ok := m.Body.(events.DrainServices); ok {
		c.Facts.State(m.Entity, events.CommandAccepted{Verb: verb, By: m.Source}, m.ID)
		c.await(m.Entity, verb, m.ID, func() error { return c.drain(ctx) })
		return nil
	}
	if _, ok := m.Body.(events.ReloadService); ok {
		c.signalled(m)
		return nil
	}
	if _, ok := m.Body.(events.ApplySpecs); ok {
		c.Facts.State(m.Entity, events.CommandAccepted{Verb: verb}, m.ID)
		c.await(m.Entity, verb, m.ID, func() error { return c.applied(ctx, m.ID) })
		return nil
	}
	change, err := c.change(m)
	var unrecorded error
	if err == nil {
		unrecorded, err = c.decide(m)
	}
	if err != nil {
		c.Facts.State(m.Entity, events.CommandRejected{Verb: verb, Reason: err.Error()}, m.ID)
		return nil
	}
	c.Facts.State(m.Entity, events.CommandAccepted{Verb: verb, By: m.Source}, m.ID)
	for _, id := range c.members(m.Entity) {
		if err := c.sup.Change(id, change(id), m.ID); err != nil {
			c.Facts.State(m.Entity, events.CommandFailed{Verb: verb, Reason: err.Error()}, m.ID)
			return nil
		}
	}
	c.await(m.Entity, verb, m.ID, func() error {
		return cmp.Or(c.reach(ctx, verb, m.Entity, m.ID), unrecorded)
	})
	return nil
}

// members are the services that a request about id concerns: the service, or
// all replicas of a spec.
func (c *controller) members(id events.Entity) []events.Entity { return c.sup.State().Members(id) }

// reach returns when what a command asked for has come about, of all that it
// concerns.
func (c *controller) reach(ctx context.Context, verb events.Verb, id events.Entity, command events.ID) error {
	members := c.members(id)
	if len(members) == 0 {
		members = []events.Entity{id} // the error is about it
	}
	errs := make([]error, len(members))
	var all sync.WaitGroup
	for i, one := range members {
		all.Go(func() { errs[i] = c.sup.Await(ctx, one, c.goal(verb, one, command)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// change is what a command changes of what is wanted; an error says why it is
// rejected.
func (c *controller) change(m bus.Command) (func(events.Entity) func(*events.ServiceDesired), error) {
	var change func(*events.ServiceDesired)
	now := func(events.Entity) bool { return false } // whether a cron job is to run at once
	switch m.Body.(type) {
	case events.EnableService:
		change = func(d *events.ServiceDesired) { d.Enabled, d.Running = true, true }
	case events.DisableService:
		change = func(d *events.ServiceDesired) { d.Enabled, d.Running = false, false }
	case events.StartService:
		change = func(d *events.ServiceDesired) { d.Running = true }
		now = func(id events.Entity) bool {
			s, ok := c.sup.Service(id)
			return ok && s.Registered.Schedule != "" && !s.Alive()
		}
	case events.StopService:
		change = func(d *events.ServiceDesired) { d.Running = false }
	case events.RestartService:
		change = func(d *events.ServiceDesired) { d.Running, d.Restart = true, m.ID }
	default:
		return nil, fmt.Errorf("procd does not know %q: it knows enable, disable, start, stop, restart, reload, apply and drain", m.Type.Verb())
	}
	if len(c.members(m.Entity)) == 0 {
		return nil, c.unknown(m.Entity)
	}
	return func(id events.Entity) func(*events.ServiceDesired) {
		if !now(id) {
			return change
		}
		return func(d *events.ServiceDesired) { change(d); d.Restart = m.ID }
	}, nil
}

// signalled carries out a request to make services read their configuration again.
func (c *controller) signalled(m bus.Command) {
	verb := m.Type.Verb()
	var errs []error
	members := c.members(m.Entity)
	for _, id := range members {
		errs = append(errs, c.sup.Reloadable(id))
	}
	if len(members) == 0 {
		errs = append(errs, c.unknown(m.Entity))
	}
	if err := errors.Join(errs...); err != nil {
		c.Facts.State(m.Entity, events.CommandRejected{Verb: verb, Reason: err.Error()}, m.ID)
		return
	}
	c.Facts.State(m.Entity, events.CommandAccepted{Verb: verb}, m.ID)
	c.await(m.Entity, verb, m.ID, func() error { return c.signal(m.Entity) })
}

// signal tells a service, or all replicas of a spec, to read its configuration again.
func (c *controller) signal(id events.Entity) error {
	var errs []error
	for _, one := range c.members(id) {
		errs = append(errs, c.sup.Reload(one))
	}
	return errors.Join(errs...)
}

func (c *controller) unknown(id events.Entity) error {
	if near := config.Suggest(string(id), c.sup.State().Names()); near != "" {
		return fmt.Errorf("unknown service %q: did you mean %q?", id, near)
	}
	return fmt.Errorf("unknown service %q: `launcher status` lists those of this node", id)
}

// goal is what a verb asks for.
func (c *controller) goal(verb events.Verb, id events.Entity, command events.ID) supervisor.Goal {
	switch verb {
	case "disable", "stop":
		return supervisor.Goal{}
	}
	g := supervisor.Goal{Running: true}
	// The command is a request for a new instance where it had to be.
	if s, ok := c.sup.Service(id); verb == "restart" || ok && s.Desired.Restart == command {
		g.Request = command
	}
	return g
}

// await states the outcome of a command once it is known. Where procd ends
// before that, its successor takes it up.
func (c *controller) await(id events.Entity, verb events.Verb, command events.ID, outcome func() error) {
	c.mu.Lock()
	known := c.awaited[command]
	c.awaited[command] = true
	c.mu.Unlock()
	if known {
		return
	}
	c.pending.Go(func() {
		err := outcome()
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.awaited, command)
		}()
		switch {
		case err == nil:
			c.Facts.State(id, events.CommandCompleted{Verb: verb}, command)
		case errors.Is(err, context.Canceled), errors.Is(err, supervisor.ErrEnded):
		default:
			c.Facts.State(id, events.CommandFailed{Verb: verb, Reason: err.Error()}, command)
		}
	})
}

// resume takes up the commands that an earlier procd accepted and did not finish.
func (c *controller) resume(ctx context.Context, prior state.State) {
	services := prior.Stages["services"].State
	for _, o := range prior.Outcomes {
		switch {
		case o.Target != events.Procd:
		case o.Verb == "drain" && c.Config.Stage != "" && services != state.StageStopping && services != state.StageStopped && !o.State.Final():
			c.Facts.State(o.Entity, events.CommandFailed{Verb: o.Verb, Reason: errAnew.Error()}, o.Command)
		default:
			c.again(ctx, o)
		}
	}
}

func (c *controller) again(ctx context.Context, o state.Outcome) {
	if o.State.Final() {
		return
	}
	c.await(o.Entity, o.Verb, o.Command, func() error {
		if o.Verb == "drain" {
			return c.drain(ctx)
		}
		if o.Verb == "reload" { // perhaps twice: that is as good as once
			return c.signal(o.Entity)
		}
		if o.Verb == "apply" {
			return c.applied(ctx, o.Command)
		}
		return c.reach(ctx, o.Verb, o.Entity, o.Command)
	})
}
