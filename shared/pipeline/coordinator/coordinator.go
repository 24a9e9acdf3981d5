package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// Options say what a coordinator runs, and where.
type Options struct {
	Node      events.Node
	Bus       *bus.Conn
	Facts     *bus.Publisher
	Pipelines *pipeline.Registry
	// Dir gets a directory of step logs per run.
	Dir string
	// Runs is how many runs go on at a time, 2 if 0; the others wait.
	Runs int
	// Steps is how many steps of one run go on at a time; one per CPU if 0.
	Steps int
	// Keep is how many earlier runs keep their logs on disk; 64 if 0.
	Keep    int
	Metrics prometheus.Registerer // may be nil
	Log     *slog.Logger
}

const (
	defaultRuns = 2
	defaultKeep = 64
)

// Coordinator runs the pipelines of one node.
type Coordinator struct {
	o       Options
	metrics metrics
	slots   chan struct{} // one per run that goes on

	mu     sync.Mutex
	active map[events.Entity]*run  // guarded by mu
	ended  map[events.Entity]ended // guarded by mu
}

// ended is what is remembered of a run that is over.
type ended struct {
	request events.ID
	state   events.StepState
}

// New checks the options.
func New(o Options) (*Coordinator, error) {
	switch {
	case o.Bus == nil || o.Facts == nil || o.Pipelines == nil:
		return nil, errors.New("coordinator: Bus, Facts and Pipelines are required")
	case o.Dir == "":
		return nil, errors.New("coordinator: Dir is required: step logs are the record of what a run did")
	}
	if err := events.CheckToken(string(o.Node)); err != nil {
		return nil, fmt.Errorf("coordinator: node: %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("coordinator: %w", err)
	}
	o.Dir = dir
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Runs = orElse(o.Runs, defaultRuns)
	o.Steps = orElse(o.Steps, runtime.NumCPU())
	o.Keep = orElse(o.Keep, defaultKeep)
	c := &Coordinator{
		o: o, slots: make(chan struct{}, o.Runs),
		active: map[events.Entity]*run{}, ended: map[events.Entity]ended{},
	}
	return c, c.metrics.register(o.Metrics)
}

func orElse(n, otherwise int) int {
	if n < 1 {
		return otherwise
	}
	return n
}

// Run resumes what was interrupted, calls ready, and serves until ctx ends.
func (c *Coordinator) Run(ctx context.Context, ready func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	loaded := make(chan []*run, 1)
	g.Go(func() error {
		return c.follow(ctx, func(runs []*run) { loaded <- runs })
	})
	g.Go(func() error {
		var interrupted []*run
		select {
		case interrupted = <-loaded:
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, r := range interrupted {
			c.o.Log.Info("resuming an interrupted run", "run", r.state.ID, "pipeline", r.state.Pipeline)
			r.tellStarted(true)
			g.Go(func() error { return c.carryOut(ctx, r) })
		}
		if err := ready(ctx); err != nil {
			return err
		}
		return c.o.Bus.ServeCommands(ctx, c.o.Node, events.Pipelined, func(ctx context.Context, command bus.Command) error {
			return c.handle(ctx, command, func(r *run) {
				g.Go(func() error { return c.carryOut(ctx, r) })
			})
		})
	})
	return g.Wait()
}

// follow reads the journals of this node's runs, hands over those that have not
// ended, and from then on tells the runs when the bus lost their journals.
func (c *Coordinator) follow(ctx context.Context, loaded func([]*run)) error {
	l := loader{c: c, runs: map[events.Entity]*run{}}
	f := bus.Follow{Stream: events.StreamRuns, Filter: events.AllRuns}
	f.Live = func() {
		if !l.done {
			l.done = true
			loaded(l.interrupted())
			l.runs = nil
		}
	}
	f.Reset = func() {
		if !l.done {
			clear(l.runs)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range c.active {
			r.tellLost()
		}
	}
	return c.o.Bus.Follow(ctx, f, func(r events.Record) error {
		if !l.done {
			l.add(r)
		}
		return nil
	})
}

// carryOut runs to the end what is active already, and remembers how it ended.
func (c *Coordinator) carryOut(ctx context.Context, r *run) error {
	c.metrics.active.Inc()
	defer c.metrics.active.Dec()
	defer close(r.over)
	err := r.loop(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.active, r.state.ID)
	if err == nil {
		c.ended[r.state.ID] = ended{request: r.state.Request, state: r.state.State}
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// The others go on: only this run's journal is lost to us.
	c.o.Log.Error("a run cannot go on", "run", r.state.ID, "error", err)
	c.ended[r.state.ID] = ended{request: r.state.Request, state: events.StepFailed}
	return nil
}

// now is the time that journal entries carry.
func now() time.Time { return time.Now().UTC() }
