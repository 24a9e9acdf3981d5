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

// Wrapper is the argument with which procd starts itself to become a service
// that has a umask, limits, a priority or an OOM score of its own.
const Wrapper = "become"

// Wrap becomes that service, or exits.
func Wrap() {
	fmt.Fprintf(os.Stderr, "procd %s: %v\n", Wrapper, runner.Wrap())
	os.Exit(1)
}

// Processes is what a supervisor needs to run services.
type Processes struct {
	Runner   *runner.Runner
	Services *supervisor.Services
}

// New wires the runner and the builder of a node's services. busURL is where
// services find the bus; workspace may be empty.
func New(d *daemon.Daemon, busURL, workspace string) *Processes {
	store := dep.Store{Bin: d.Layout.Bin(), Workspace: workspace}
	return &Processes{
		Runner: runner.New(runner.Options{
			Dir: d.Layout.Run(), Log: d.Log, Wrapper: []string{Wrapper},
			Sink: func(id, stream string, l events.LogLine) {
				d.Bus.PublishLine(d.Config.Name, events.Entity(id), stream, l)
			},
		}),
		Services: &supervisor.Services{
			Node: d.Config.Name, Layout: d.Layout, BusURL: busURL, Environ: os.Environ(), StopTimeout: d.Config.StopTimeout,
			Install: func(ctx context.Context, s spec.Dep) (string, error) {
				d.Log.Info("installing", "binary", s.Name, "source", s.Source)
				want := dep.Want{Name: s.Name, Source: s.Source, Asset: s.Asset, Version: s.Version}
				paths, err := store.Ensure(ctx, []dep.Want{want}, nil)
				if err != nil {
					return "", err
				}
				return paths[s.Name], nil
			},
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
