package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// want is what is wanted of a service that is registered: what operators decided,
// else what the profiles say.
func (c *controller) want(s spec.Located, prior state.State, resume bool) events.ServiceDesired {
	id := events.Entity(s.ID)
	decided := c.registry.Decision(id)
	enabled := decided.Wants(s.InProfile(c.Config.Profiles))
	want := events.ServiceDesired{Enabled: enabled, Running: enabled}
	before := prior.Services[id].Desired
	if resume && !c.begun.Load() && before != (events.ServiceDesired{}) { // else the bus has lost it
		want.Running, want.Restart = before.Running, before.Restart
	}
	if decided.Running != nil {
		want.Running = *decided.Running
	}
	return want
}

// tellDamaged states that what was decided is lost, where that is new, or that it is
// recorded again.
func (c *controller) tellDamaged() {
	reason := ""
	if err := c.registry.Damaged(); err != nil {
		reason = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.damaged
	switch c.damaged = reason; {
	case reason == before:
	case reason == "":
		c.Facts.State(events.DecisionsEntity, events.DecisionsMended{}, "")
	default:
		c.Facts.State(events.DecisionsEntity, events.DecisionsDamaged{Reason: reason, Known: c.registry.Decided()}, "")
	}
}

// decide records what a command decides, before anything of it is promised. What
// holds at every boot is refused where it cannot be recorded. A stop or a start is
// needed all the more then, and done: unrecorded is what has to be said about it.
func (c *controller) decide(m bus.Command) (unrecorded, err error) {
	defer c.tellDamaged()
	var change func(events.Entity, *config.Decision)
	running := false
	switch m.Body.(type) {
	case events.EnableService:
		change = enables(true, m.Source)
	case events.DisableService:
		change = enables(false, m.Source)
	case events.StartService, events.RestartService:
		running = true
	}
	if change != nil {
		return nil, c.registry.Decide(c.members(m.Entity), change)
	}
	err = c.registry.Decide(c.members(m.Entity), func(id events.Entity, d *config.Decision) {
		d.Running = nil
		if s, ok := c.sup.Service(id); ok && s.Desired.Enabled != running {
			d.Running = &running
		}
	})
	if err != nil {
		return fmt.Errorf("done, but not remembered should busd and procd both be lost: %w", err), nil
	}
	return nil, nil
}

func enables(enabled bool, by events.Source) func(events.Entity, *config.Decision) {
	return func(_ events.Entity, d *config.Decision) {
		d.Running = nil
		if d.Enabled == nil || *d.Enabled != enabled {
			d.Enabled, d.By, d.At = &enabled, by, time.Now().UTC().Truncate(time.Second)
		}
	}
}

// errAnew ends a procd whose node was going down when its launcher was killed, and
// comes up again: the next procd starts what this one stopped.
var errAnew = errors.New("the node comes up again while it was going down")

// drained reports whether the end of the services began before t.
func (c *controller) drained(t time.Time) bool {
	at := c.drainedAt.Load()
	return at != nil && at.Before(t)
}

// drain stops everything, within what the launcher waits for, and ends what was
// wanted until then.
func (c *controller) drain(ctx context.Context) error {
	now := time.Now()
	c.drainedAt.CompareAndSwap(nil, &now)
	ctx, cancel := context.WithTimeout(ctx, c.Config.StopTimeout*9/5)
	defer cancel()
	err := c.sup.Drain(ctx, "node is going down")
	if cause := context.Cause(ctx); cause != nil && cause != context.DeadlineExceeded {
		return cause // procd ends, and whoever takes its place knows what to do
	}
	if err := c.registry.EndBoot(); err != nil {
		c.Log.Warn("what was stopped or started until the node went down stays so", "error", err)
	}
	return err
}
