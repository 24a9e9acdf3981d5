package controller

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// stages has the stage behind each part of the platform that services may depend
// on.
var stages = map[string]events.Entity{
	"core.edge": "edge", "core.controller": "controller", "core.pipelines": "pipelines",
}

// watch keeps the supervisor's conditions in step with the platform.
func (c *controller) watch(ctx context.Context) error {
	status := c.Bus.NC.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED)
	defer c.Bus.NC.RemoveStatusListener(status)
	changed := c.view.Watch(ctx)
	for {
		if c.view.Live() {
			anew := false
			c.view.Look(func(s state.State) {
				services := s.Stages["services"]
				if anew = services.State == state.StageStarting && c.drained(services.Since); !anew {
					c.conditions(s)
				}
			})
			if anew {
				return errAnew
			}
		} else {
			c.condition(spec.BusStage, c.Bus.NC.IsConnected())
		}
		select {
		case <-changed:
		case <-status:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// conditions tells the supervisor what of the platform is there. A stage that no
// launcher reports is taken to be, as long as the bus is.
func (c *controller) conditions(s state.State) {
	connected := c.Bus.NC.IsConnected()
	for _, name := range spec.Platform() {
		holds := connected
		if stage, ok := s.Stages[stages[name]]; ok {
			holds = stage.State == state.StageReady
		}
		c.condition(name, holds)
	}
	c.condition(gate, c.stageReached(s) || c.Config.Stage == "")
}

// condition tells the supervisor what it does not know yet.
func (c *controller) condition(name string, holds bool) {
	if told, ok := c.told[name]; !ok || told != holds {
		c.told[name] = holds
		c.sup.Condition(name, holds)
	}
}

// publishUsage says what the processes of services use.
func (c *controller) publishUsage(u events.Usage) {
	if err := c.Bus.PublishUsage(c.Config.Name, events.Procd, u); err != nil {
		c.Log.Debug("usage", "error", err)
	}
}

// Bounds of snapshots: one is taken after so many facts, or after so long.
const (
	snapshotFacts = 512
	snapshotPause = 30 * time.Second
)

// snapshots saves the node's state now and then, so that views begin there.
func (c *controller) snapshots(ctx context.Context) error {
	changed := c.view.Watch(ctx)
	tick := time.NewTicker(snapshotPause)
	defer tick.Stop()
	saved := c.view.State().Seq
	for {
		due := false
		select {
		case <-changed:
		case <-tick.C:
			due = true
		case <-ctx.Done():
			return ctx.Err()
		}
		var seq uint64
		c.view.Look(func(s state.State) { seq = s.Seq })
		if !c.view.Live() || seq == saved || !due && seq >= saved && seq < saved+snapshotFacts {
			continue
		}
		s := c.view.State()
		if err := c.Bus.SaveSnapshot(ctx, s); err != nil {
			c.Log.Debug("no snapshot", "error", err)
			continue
		}
		saved = s.Seq
	}
}
