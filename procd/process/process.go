package process

import (
	"context"
	"fmt"
	"os"

	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// Processes is what a supervisor needs to run services.
type Processes struct {
	Runner   *runner.Runner
	Services *supervisor.Services
}

// New wires the runner and the builder of a node's services. busURL is where
// services find the bus; workspace may be empty.
func New(d *daemon.Daemon, busURL, workspace string) *Processes {
	install := installer{store: dep.ForNode(d.Config, workspace, os.Environ()), state: d.Facts.State, log: d.Log}
	return &Processes{
		Runner: runner.New(runner.Options{
			Dir: d.Layout.Run(), Log: d.Log,
			Sink: func(id, stream string, l events.LogLine) {
				d.Bus.PublishLine(d.Config.Name, events.Entity(id), stream, l)
			},
		}),
		Services: &supervisor.Services{
			Node: d.Config.Name, Layout: d.Layout, BusURL: busURL, Environ: os.Environ(), StopTimeout: d.Config.StopTimeout,
			Install: install.install,
		},
	}
}

// Build is [supervisor.Services.Build] of a service that has its credential.
func (p *Processes) Build(ctx context.Context, s spec.Located, i supervisor.Instance) (supervisor.Built, error) {
	if err := bus.Mint(p.Services.Layout.Keys(), events.Source(s.ID)); err != nil {
		return supervisor.Built{}, err
	}
	return p.Services.Build(ctx, s, i)
}

// Run hands on what services write, until ctx ends.
func (p *Processes) Run(ctx context.Context) error {
	if err := p.Runner.Run(ctx); err != nil {
		return fmt.Errorf("run services: %w", err)
	}
	return nil
}
