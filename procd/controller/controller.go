package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"core.internal/procd/process"
	registry "core.internal/procd/spec"
	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// Definition is the daemon procd, which forks services from nursery; from any thread if
// that is nil.
func Definition(nursery *runner.Nursery) daemon.Definition {
	return daemon.Definition{
		Name:  events.Procd,
		About: "starts, watches and stops the services of a node",
		Run: func(ctx context.Context, d *daemon.Daemon) error {
			c := &controller{Daemon: d, nursery: nursery, workspace: d.Config.Workspace, told: map[string]bool{}, awaited: map[events.ID]bool{}}
			if c.workspace == "" && c.Config.Stage == "" {
				c.workspace, _ = dep.FindWorkspace(".") // run alone
			}
			return c.run(ctx)
		},
	}
}

// gate is the condition without which nothing is started: that the launcher has
// come to the stage "services".
const gate = "stage services"

// controller is procd while it runs.
type controller struct {
	*daemon.Daemon
	nursery   *runner.Nursery
	workspace string

	view     *bus.View
	beats    *process.Beats
	probes   *process.Probes
	usage    *process.Usage
	speak    func() // see process.Processes.Speak
	registry *registry.Registry
	specs    specs
	sup      *supervisor.Supervisor
	told     map[string]bool // conditions; first serve's, then watch's alone
	pending  sync.WaitGroup  // of awaited commands

	drainedAt atomic.Pointer[time.Time] // when the end of the services was first asked for; nil before

	begun   atomic.Bool // what was wanted before counts no more
	mu      sync.Mutex
	awaited map[events.ID]bool // commands whose outcome is yet to be stated; guarded by mu
	damaged string             // why the decisions cannot be read, as stated last; guarded by mu
}

func (c *controller) run(ctx context.Context) error {
	if err := os.MkdirAll(c.Layout.Dir, 0o700); err != nil { // run alone, nobody has made it
		return fmt.Errorf("make the node directory: %w: choose a directory that procd may write to with --root", err)
	}
	digest := registry.Dirs(c.Config, c.workspace).Digest()
	specs, broken := registry.Load(c.Config, c.workspace)
	c.view = bus.NewView(c.Bus, c.Config.Name)
	c.registry = registry.NewRegistry(c.Bus, c.Config.Name, c.Layout, c.Log)
	c.view.Lost(c.registry.Lost)
	c.beats = process.NewBeats(c.Bus, c.Config.Name)
	processes := process.New(c.Daemon, c.busURL(), c.workspace, c.nursery)
	c.speak = processes.Speak

	// The runner outlives the supervisor, which outlives what tells it things.
	beneath, release := context.WithCancel(context.WithoutCancel(ctx))
	broke := make(chan error, 1)
	var under sync.WaitGroup
	under.Go(func() {
		if err := processes.Run(beneath); err != nil {
			broke <- err
		}
	})
	defer under.Wait()
	defer release()

	// Services end when procd is asked to, and are left to a successor where it
	// fails.
	asked := ctx
	g, ctx := errgroup.WithContext(ctx)
	supervise, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	context.AfterFunc(ctx, func() {
		if asked.Err() == nil {
			end(supervisor.ErrLeave)
		}
		end(nil)
	})
	g.Go(func() error {
		select {
		case err := <-broke:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { return c.view.Run(ctx) })
	g.Go(func() error { return c.beats.Run(ctx) })
	g.Go(func() error {
		if broken == nil {
			g.Go(func() error { processes.Mint(c.enabled(specs), c.Log); return nil })
		}
		prior, err := c.prior(ctx)
		if err != nil {
			return err
		}
		resume := c.stageReached(prior)
		if err := errors.Join(broken, c.registry.Damaged()); err != nil && !resume {
			return err
		}
		if broken != nil {
			specs = c.last(specs, prior)
			g.Go(func() error { processes.Mint(c.enabled(specs), c.Log); return nil })
		}
		if resume && broken == nil && c.Config.SpecsManual() {
			if last := c.registry.Specs(); len(last) > 0 {
				specs = last // what changed since is applied when somebody asks
			}
		}
		c.damaged = prior.Decisions.Reason // nobody else has it yet
		c.tellDamaged()
		c.specs.mu.Lock()
		c.specs.refused = prior.Specs.Reason
		c.judge(broken)
		c.specs.mu.Unlock()
		c.probes = process.NewProbes(func() state.State { return c.sup.State() })
		c.sup = c.supervisor(processes, prior, resume)
		c.usage = process.NewUsage(processes.Runner.Meter().Read, c.probes.Last, time.Now)
		for _, m := range []prometheus.Collector{process.Metrics(c.sup.State, c.usage.Last, time.Now), c.probes} {
			if err := c.Metrics.Register(m); err != nil {
				return fmt.Errorf("metrics: %w", err)
			}
		}
		g.Go(func() error { return c.sup.Run(supervise) })
		return c.serve(ctx, g, loaded{specs, digest, broken}, prior)
	})
	err := g.Wait()
	c.pending.Wait()
	if asked.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// enabled lists the specs that the profiles enable: those that are likely to start.
func (c *controller) enabled(specs []spec.Located) []spec.Located {
	return slices.DeleteFunc(slices.Clone(specs), func(s spec.Located) bool { return !s.InProfile(c.Config.Profiles) })
}

// last returns the specs to go on with where those found are wrong: a service
// that runs is not changed because somebody broke a file meanwhile.
func (c *controller) last(found []spec.Located, prior state.State) []spec.Located {
	digests := map[spec.ServiceID]string{}
	for id, s := range prior.Services {
		digests[spec.ServiceID(id)] = s.Registered.Digest
	}
	last := registry.Last(c.registry.Specs(), found, digests)
	for _, s := range last {
		delete(digests, s.ID)
	}
	for id := range digests {
		c.Log.Error("the spec of a service is lost: it is left alone until its spec is right", "service", id)
	}
	return last
}

// prior prepares what can be prepared, waits for this daemon's stage and returns
// what is known of the services then.
func (c *controller) prior(ctx context.Context) (state.State, error) {
	if err := c.registry.Read(ctx); err != nil {
		return state.State{}, err
	}
	if err := c.Await(ctx); err != nil {
		return state.State{}, err
	}
	last, err := c.Bus.Events().Last(ctx, events.NodeFacts(c.Config.Name))
	if err != nil {
		return state.State{}, fmt.Errorf("look for the node's last fact: %w", err)
	}
	return c.view.Wait(ctx, func(s state.State) bool { return s.Seq >= last })
}

// stageReached reports whether the launcher has come to the services in this
// boot.
func (c *controller) stageReached(s state.State) bool {
	stage := s.Stages["services"].State
	return c.Config.Stage != "" && (stage == state.StageStarting || stage == state.StageReady)
}

func (c *controller) supervisor(p *process.Processes, prior state.State, resume bool) *supervisor.Supervisor {
	return supervisor.New(supervisor.Options{
		Node: c.Config.Name, Source: events.Procd, Facts: c.Facts, Runner: p.Runner, Log: c.Log,
		Build: p.Build, After: p.Services.After, Routes: p.Services.Routes, Gone: p.Services.Release,
		Hold: func(on bool) {
			if on {
				c.Facts.Hold()
			} else {
				c.Facts.Release()
			}
		},
		Prior: &prior, Resume: resume, Boot: events.ID(c.Config.Boot), Gate: gate,
		Beats: c.beats.Last, Probed: c.probes.Probed,
		StopTimeout: c.Config.StopTimeout * 3 / 2,
		Want:        func(s spec.Located) events.ServiceDesired { return c.want(s, prior, resume) },
		Decided: func(s spec.Located) bool {
			return !resume || c.registry.Decision(events.Entity(s.ID)) != (config.Decision{})
		},
	})
}

// loaded are the specs to begin with.
type loaded struct {
	specs  []spec.Located
	digest string // of the files that were read
	broken error  // why those are not taken; nil if they are
}

// serve makes the services known and then does what procd is for.
func (c *controller) serve(ctx context.Context, g *errgroup.Group, l loaded, prior state.State) error {
	c.conditions(prior)
	if err := c.begin(ctx, l.specs, l.broken, prior, c.stageReached(prior)); err != nil {
		return err
	}
	c.begun.Store(true)
	if err := c.Ready(ctx, nil); err != nil {
		return err
	}
	c.speak()
	c.resume(ctx, prior)
	g.Go(func() error { return c.registry.Run(ctx) })
	g.Go(func() error { return c.watch(ctx) })
	g.Go(func() error { return c.follow(ctx, l.digest) })
	g.Go(func() error { return c.snapshots(ctx) })
	g.Go(func() error { return c.usage.Run(ctx, c.publishUsage) })
	g.Go(func() error {
		return c.Bus.KeepAside(ctx, bus.KeepAside{Node: c.Config.Name, Facts: c.Facts, After: prior.Dead.Kept})
	})
	return c.Bus.ServeCommands(ctx, c.Config.Name, events.Procd, func(_ context.Context, m bus.Command) error {
		return c.command(ctx, m) // what it asks for takes longer than its delivery
	})
}

func (c *controller) busURL() string {
	if c.Config.BusURL != "" {
		return c.Config.BusURL
	}
	return "nats://" + c.Config.BusListen
}
