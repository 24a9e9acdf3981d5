package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/health"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Stater states facts; [core.internal/shared/bus.Publisher] is one. State must
// not block: supervision goes on while the bus is away.
type Stater interface {
	State(e events.Entity, b events.Body, cause events.ID) events.Envelope
}

// Instance is what a [Build] needs to know of the instance to be started.
type Instance struct {
	Name string        // a token, new for each
	Kept []events.Port // the ports of the instance before, to be kept where free
}

// Built is what is to be started and how it is reached.
type Built struct {
	Command process.Command
	Ports   []events.Port
	Routes  []events.Route // with upstreams
	Checks
	// Prepared says in words what was made or changed for it, also where Build
	// fails.
	Prepared []string
	// PreStart are run before it, in order.
	PreStart []Hook
}

// Build prepares an instance: binaries, directories, ports. An error is final
// until an operator asks again, unless it may pass by itself: a port that
// somebody holds, or a download whose server does not answer.
type Build func(ctx context.Context, s spec.Located, i Instance) (Built, error)

// Options configure a [Supervisor]. Node, Source, Facts, Runner and Build are
// required.
type Options struct {
	Node   events.Node
	Source events.Source // procd for services, launcher for daemons
	Facts  Stater
	Runner process.Runner
	Build  Build
	// Hold is told true, again and again, while more is to be started than can be at
	// once, and false when that is over: meanwhile Facts may keep back what is stated.
	// May be nil.
	Hold func(bool)
	// After returns the hooks that follow an instance of a spec, with the command
	// beside which they run; nobody's if nil.
	After func(ctx context.Context, s spec.Located, i Instance) (process.Command, []Hook, error)

	// Want says what is wanted of a service when it is registered; nothing if
	// nil. A process that is found running unknown to Prior is wanted running.
	Want func(spec.Located) events.ServiceDesired
	// Decided reports whether Want is right about a service even so; never if nil.
	Decided func(spec.Located) bool
	// Policy is a service's restart policy; process.PolicyOf if nil.
	Policy func(spec.Located) process.Policy
	// Routes says where the routes of a running instance lead, by the spec that
	// its service has now; they stay as they are if nil.
	Routes func(s spec.Located, i Instance) ([]events.Route, error)
	// Gone is told when a service has come to rest: it is stopped, completed, failed
	// or forgotten, and what it had others may have; may be nil.
	Gone func(events.Entity)
	// Prior is what is known of the services from before, if anything is.
	Prior *state.State
	// Resume: Prior is of this boot of the node, so that what had failed or
	// completed stays so.
	Resume bool
	// Boot names this boot of the node, if it has a name: what the runner knows of an
	// instance of this boot holds even where Prior is not of it.
	Boot events.ID
	// Gate names a condition without which nothing is started, and about which
	// nothing is said; none if empty.
	Gate string
	// Probe carries out one check; health.Probe if nil.
	Probe func(ctx context.Context, c health.Check) error
	// Beats tells the heartbeats of services, for checks of type bus; may be nil.
	Beats health.Beats
	// Probed is told of each probe how long it took; may be nil.
	Probed func(t health.Target, took time.Duration, err error)
	// StopTimeout is how long Run takes to stop everything before it kills
	// what is left; 10 s if 0.
	StopTimeout time.Duration

	Now   func() time.Time // time.Now if nil
	NewID func() string    // names of instances; random if nil
	Log   *slog.Logger
}

// Supervisor keeps the processes of a node as they are wanted.
type Supervisor struct {
	opt    Options
	mail   mailbox
	prober *health.Prober
	ended  chan struct{} // closed when Run has returned
	leave  chan struct{} // closed when what runs is left to a successor

	mu      sync.Mutex
	fold    *state.Builder // guarded by mu
	changed chan struct{}  // closed after facts were folded; guarded by mu

	// What follows is owned by Run's goroutine.
	units      []*unit // in dependency order
	byID       map[events.Entity]*unit
	conditions []string // their names, in the order in which they were first told
	met        map[string]bool
	draining   string // why everything is to stop; empty if it is not
	inputs     []controller.Input
	graph      *controller.Graph // of the inputs; nil where units or conditions were added or went
	jobs       []job             // starts that wait for a slot
	starting   int               // starts under way
	crowded    bool              // [Options.Hold] was told so last
	asked      []chan struct{}   // to be closed when what was asked for is decided
	stated     bool              // facts were stated since the last broadcast
	work       sync.WaitGroup
	life       context.Context // of starts and stops; outlives Run's
	kill       context.CancelFunc
}

// ErrEnded is returned by methods whose supervisor does not run any more.
var ErrEnded = errors.New("the supervisor has ended")

// ErrLeave as the cause of the end of Run's context makes Run return without
// stopping anything: for a supervisor that cannot go on and has a successor,
// which adopts what runs.
var ErrLeave = errors.New("leave what runs to a successor")

// UnknownError says that a service is not registered.
type UnknownError struct{ ID events.Entity }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("service %q is not registered: `launcher status` lists those that are", e.ID)
}

// New returns a supervisor of nothing; Run makes it work.
func New(o Options) *Supervisor {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = nuid.Next
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Policy == nil {
		o.Policy = func(s spec.Located) process.Policy { return process.PolicyOf(s.Service) }
	}
	if o.Want == nil {
		o.Want = func(spec.Located) events.ServiceDesired { return events.ServiceDesired{} }
	}
	if o.Decided == nil {
		o.Decided = func(spec.Located) bool { return false }
	}
	if o.StopTimeout <= 0 {
		o.StopTimeout = 10 * time.Second
	}
	s := &Supervisor{
		opt: o, ended: make(chan struct{}), leave: make(chan struct{}), changed: make(chan struct{}),
		byID: map[events.Entity]*unit{}, met: map[string]bool{},
	}
	first := state.New(o.Node)
	if o.Prior != nil {
		first.Services, first.Daemons = o.Prior.Services, o.Prior.Daemons
	}
	s.fold = state.NewBuilder(first)
	s.mail.ready, s.mail.gone = make(chan struct{}, 1), make(chan struct{})
	s.prober = health.New(health.Options{Report: s.report, Probe: o.Probe, Beats: o.Beats, Probed: o.Probed})
	return s
}

// Desire says whether a service is to run now. It returns when that has been
// stated; what comes of it is for [Supervisor.Wait] to see.
func (s *Supervisor) Desire(id events.Entity, running bool, cause events.ID) error {
	return s.Change(id, func(d *events.ServiceDesired) { d.Running = running }, cause)
}

// Restart asks for a new instance, started whatever became of the last one.
func (s *Supervisor) Restart(id events.Entity, cause events.ID) error {
	return s.Change(id, func(d *events.ServiceDesired) { d.Running, d.Restart = true, cause }, cause)
}

// Change changes what is wanted of a service. Where it is wanted running and has
// failed, completed or backs off, cause becomes a request to begin anew. A cron
// job runs at once only where change says so with a request of its own.
func (s *Supervisor) Change(id events.Entity, change func(*events.ServiceDesired), cause events.ID) error {
	var err error
	if derr := s.do(context.Background(), func() { err = s.change(id, change, cause) }); derr != nil {
		return derr
	}
	return err
}

func (s *Supervisor) change(id events.Entity, change func(*events.ServiceDesired), cause events.ID) error {
	u := s.byID[id]
	if u == nil || u.gone {
		return &UnknownError{id}
	}
	d := u.desired
	change(&d)
	switch u.state {
	case state.ServiceFailed, state.ServiceCompleted, state.ServiceBackoff, state.ServiceExited:
		if d.Running && cause != "" && u.schedule == nil {
			d.Restart = cause
		}
	}
	if d != u.desired {
		u.desired, u.cause = d, cause
		s.state(u, d)
	}
	return nil
}

// Condition says whether something that services depend on, such as
// "core.edge", holds. It does not block.
func (s *Supervisor) Condition(name string, ok bool) {
	s.mail.post(func() {
		if _, known := s.met[name]; !known {
			s.conditions, s.graph = append(s.conditions, name), nil
		}
		s.met[name] = ok
	})
}

// Drain stops everything in reverse order and keeps it down. It returns when
// nothing runs, or when ctx ends, with an error that says what still runs.
func (s *Supervisor) Drain(ctx context.Context, why string) error {
	if err := s.do(ctx, func() { s.draining = why }); err != nil {
		return err
	}
	_, err := s.Wait(ctx, func(st state.State) bool { return len(s.alive(st)) == 0 })
	if err != nil {
		return fmt.Errorf("stop everything: held by %s: %w", join(s.alive(s.State())), err)
	}
	return nil
}

// Missing lists what a service that waits is waiting for, as in "alpha:
// starting", and whether only an operator can help.
func (s *Supervisor) Missing(ctx context.Context, id events.Entity) (on []string, stuck bool, err error) {
	err = s.do(ctx, func() { on, stuck = controller.Missing(s.observe(), string(id)) })
	return on, stuck, err
}

// State is what has been stated so far, as a fold.
func (s *Supervisor) State() state.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fold.State()
}

// Service is one service of State, without the cost of a whole state.
func (s *Supervisor) Service(id events.Entity) (state.Service, bool) {
	v, ok, _ := s.peek(id)
	return v, ok
}

func (s *Supervisor) peek(id events.Entity) (state.Service, bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.mine(s.fold.Peek())[id]
	return v, ok, s.changed
}

// mine is the part of a state that this supervisor states.
func (s *Supervisor) mine(st state.State) map[events.Entity]state.Service {
	if s.opt.Source == events.Launcher {
		return st.Daemons
	}
	return st.Services
}

func (s *Supervisor) alive(st state.State) []string {
	var ids []string
	for _, v := range state.Sorted(s.mine(st)) {
		if v.Alive() {
			ids = append(ids, string(v.ID))
		}
	}
	return ids
}
