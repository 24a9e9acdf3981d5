package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/dep"
	"core.internal/shared/dep/fetch"
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

// Nursery returns where services are forked from, nil where this machine gives none. It
// is asked for at the begin of main: see [runner.NewNursery].
func Nursery() *runner.Nursery {
	n, err := runner.NewNursery()
	if err != nil {
		return nil // then a start takes longer the more services there are
	}
	return n
}

// Processes is what a supervisor needs to run services.
type Processes struct {
	Runner   *runner.Runner
	Services *supervisor.Services

	lines   *lines
	speak   sync.Once
	minting singleflight.Group
}

// New wires the runner and the builder of a node's services. busURL is where
// services find the bus; workspace may be empty, and nursery nil.
func New(d *daemon.Daemon, busURL, workspace string, nursery *runner.Nursery) *Processes {
	install := installer{store: dep.ForNode(d.Config, workspace, os.Environ()), state: d.Facts.State, log: d.Log}
	out := &lines{node: d.Config.Name, bus: d.Bus, dial: d.Dial, log: d.Log, open: make(chan struct{}), begun: make(chan struct{})}
	return &Processes{
		lines:  out,
		Runner: runner.New(runner.Options{Dir: d.Layout.Run(), Log: d.Log, Wrapper: []string{Wrapper}, Sink: out.put, Nursery: nursery}),
		Services: &supervisor.Services{
			Node: d.Config.Name, Layout: d.Layout, BusURL: busURL, Environ: os.Environ(), StopTimeout: d.Config.StopTimeout,
			Install: install.install,
			Client:  fetch.New(fetch.Options{Mirrors: install.store.Mirrors, Offline: install.store.Offline}),
			Orphan: func(pid int) (string, bool) {
				o, ok := runner.OwnerOf(d.Layout, pid)
				return o.Service, ok && !o.Supervised
			},
		},
	}
}

// Build is [supervisor.Services.Build] of a service that has its credential, if it
// uses one.
func (p *Processes) Build(ctx context.Context, s spec.Located, i supervisor.Instance) (supervisor.Built, error) {
	if s.UsesBus() {
		if err := p.mint(s.ID); err != nil {
			return supervisor.Built{}, err
		}
	}
	return p.Services.Build(ctx, s, i)
}

// mint makes a service's credential if it has none; once where several ask.
func (p *Processes) mint(id spec.ServiceID) error {
	_, err, _ := p.minting.Do(string(id), func() (any, error) {
		return nil, bus.Mint(p.Services.Layout.Keys(), events.Source(id))
	})
	return err
}

// Mint makes the credentials of services ahead of their start, several at once:
// each is written through to the disk. What is wrong with one its start says too.
func (p *Processes) Mint(specs []spec.Located, log *slog.Logger) {
	var g errgroup.Group
	g.SetLimit(8)
	for _, s := range specs {
		if !s.UsesBus() {
			continue
		}
		g.Go(func() error {
			if err := p.mint(s.ID); err != nil {
				log.Error("a credential cannot be used", "service", s.ID, "error", err)
			}
			return nil
		})
	}
	g.Wait() // none fails
}

// Speak lets what services write travel on the bus from now on. A supervisor that
// comes back to hundreds that write takes them over first; what is written meanwhile
// is in their files, and on its way as far as there is room.
func (p *Processes) Speak() { p.speak.Do(func() { close(p.lines.open) }) }

// Run hands on what services write, until ctx ends.
func (p *Processes) Run(ctx context.Context) error {
	defer p.Services.Client.Close()
	dialling, stop := context.WithCancel(ctx)
	defer stop()
	var dialled sync.WaitGroup
	dialled.Go(func() { p.lines.run(dialling) })
	defer context.AfterFunc(ctx, p.Speak)() // or nobody would wait for the last lines
	err := p.Runner.Run(ctx)
	stop()
	dialled.Wait()
	p.lines.close()
	if err != nil {
		return fmt.Errorf("run services: %w", err)
	}
	return nil
}
