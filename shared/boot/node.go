package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// Options say which node to bring up. Config must be valid.
type Options struct {
	Config config.Node
	// Environ is what the daemons inherit beside their settings.
	Environ []string
	// Workspace is the root of the source tree, empty for an installation.
	Workspace string
	// Progress is told every [Event], from one goroutine at a time; may be nil.
	Progress func(Event)
	Log      *slog.Logger
	// Wrap replaces the runner of the daemons, and InProcess lists those that
	// need no binary with it; the harness uses both.
	Wrap      func(process.Runner) process.Runner
	InProcess []events.Source
	// Omit leaves a daemon out; the harness leaves out caddyd where a test does
	// not need it. Its stage is ready at once.
	Omit []events.Source
}

// Node is one node, brought up by [Node.Run].
type Node struct {
	Options
	layout config.Layout
	boot   events.ID
	began  time.Time
	up     chan struct{} // closed when every stage is ready

	// Owned by Run's goroutine.
	lock     *flock.Flock
	specs    []spec.Located
	decided  config.Decisions // by operators
	binaries map[string]string
	runner   *runner.Runner
	sup      *supervisor.Supervisor
	facts    *bus.Publisher
	conn     *bus.Conn
	view     *bus.View
	adopted  map[events.Source]bool // daemons that outlived an earlier launcher
	swept    bool                   // processes of services had to be ended without procd
	summary  Summary                // complete when up is closed

	going  chan struct{} // closed when asked is set
	asking sync.Mutex
	asked  *bus.Command // the request that takes the node down; guarded by asking
	down   bool         // the node goes down, asked or not; guarded by asking

	local       actors // run from the config stage on
	supervision actors // of the daemons; ends before local
	remote      actors // run while there is a bus
}

// Summary says where a node that is up can be reached.
type Summary struct {
	Node       events.Node
	BusURL     string
	EdgeURL    string // empty where the edge is left out
	ConsoleURL string // with the login token; empty where no console is enabled
	Stages     []StageTime
	Took       time.Duration
}

// StageTime is how long one stage took.
type StageTime struct {
	Stage string
	Took  time.Duration
}

// New prepares a node; nothing starts before Run.
func New(o Options) *Node {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	return &Node{
		Options: o, layout: o.Config.Layout(), boot: events.ID(nuid.Next()),
		up: make(chan struct{}), adopted: map[events.Source]bool{}, going: make(chan struct{}),
		facts: bus.NewPublisher(bus.PublisherOptions{Node: o.Config.Name, Source: events.Launcher, Log: o.Log}),
	}
}

// Up is closed when every stage is ready.
func (n *Node) Up() <-chan struct{} { return n.up }

// Summary says where the node can be reached; valid once Up is closed.
func (n *Node) Summary() Summary { return n.summary }

// View is the node's live state; valid once Up is closed and while Run runs.
func (n *Node) View() *bus.View { return n.view }

// Conn is the launcher's own connection; valid once Up is closed and while Run
// runs.
func (n *Node) Conn() *bus.Conn { return n.conn }

// Run brings the node up, keeps it up until ctx ends or a shutdown is asked for
// over the bus, and takes it down. The error is a [*StageError] where the node
// did not come up.
func (n *Node) Run(ctx context.Context) error {
	n.began = time.Now()
	stages := n.graph()
	coming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-n.going:
			stop(errAsked)
		case <-coming.Done():
		}
	}()
	started, err := n.bringUp(coming, stages)
	if err == nil {
		n.summary.Took = time.Since(n.began)
		close(n.up)
		select {
		case <-ctx.Done():
		case <-n.going:
		}
	}
	asked := n.leave()
	// What tears down must not be cut short by what asked for it.
	down := context.WithoutCancel(ctx)
	if derr := n.takeDown(down, stages[:started], asked); derr != nil {
		err = errors.Join(err, derr)
	}
	return err
}

// errAsked is why a boot ended that somebody took down meanwhile.
var errAsked = errors.New("it was taken down while it came up")

// command answers requests to the launcher.
func (n *Node) command(ctx context.Context, c bus.Command) error {
	verb := c.Type.Verb()
	switch c.Body.(type) {
	case events.ShutdownNode:
		if !n.ask(c) {
			n.facts.State(c.Entity, events.CommandRejected{Verb: verb, Reason: "the node is already going down"}, c.ID)
		}
	default:
		n.facts.State(c.Entity, events.CommandRejected{Verb: verb, Reason: fmt.Sprintf("the launcher does not know %q", verb)}, c.ID)
	}
	return nil
}

// ask accepts a request to take the node down, unless it goes down already: what
// is accepted gets its outcome when the bus goes.
func (n *Node) ask(c bus.Command) bool {
	n.asking.Lock()
	defer n.asking.Unlock()
	if n.down || n.asked != nil {
		return false
	}
	n.facts.State(c.Entity, events.CommandAccepted{Verb: c.Type.Verb()}, c.ID)
	n.asked = &c
	close(n.going)
	return true
}

// leave accepts no further request and returns the one that was, if any.
func (n *Node) leave() *bus.Command {
	n.asking.Lock()
	defer n.asking.Unlock()
	n.down = true
	return n.asked
}

// actors are goroutines that share one life.
type actors struct {
	group  errgroup.Group
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (a *actors) init(ctx context.Context) {
	a.ctx, a.cancel = context.WithCancelCause(ctx)
}

func (a *actors) run(f func(context.Context) error) {
	a.group.Go(func() error {
		if err := f(a.ctx); err != nil && a.ctx.Err() == nil {
			return err
		}
		return nil
	})
}

// stop ends all and waits for them; it does nothing where init was not called.
func (a *actors) stop() error { return a.stopFor(nil) }

func (a *actors) stopFor(cause error) error {
	if a.cancel == nil {
		return nil
	}
	a.cancel(cause)
	return a.group.Wait()
}
