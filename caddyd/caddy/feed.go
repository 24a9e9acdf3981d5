package caddy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// settle is how long after procd is there again the edge holds on to what it
// served before the bus lost its memory.
const settle = 2 * time.Second

// feed turns facts into lists of sites, one for each fact that changes them.
type feed struct {
	conn *bus.Conn
	node events.Node
	wake chan struct{} // receives when there are lists to take, or a hold began

	mu      sync.Mutex
	builder *state.Builder                // guarded by mu
	routes  map[events.Entity]state.Route // guarded by mu
	live    bool                          // the builder has caught up with the log; guarded by mu
	lists   [][]site.Site                 // decided and not taken, oldest first; guarded by mu
	last    []site.Site                   // decided last; guarded by mu
	before  []site.Site                   // held on to; guarded by mu
	hold    map[events.Entity]bool        // of site.Hold, nil while nothing is held; guarded by mu
}

func newFeed(c *bus.Conn, node events.Node) *feed {
	return &feed{conn: c, node: node, wake: make(chan struct{}, 1)}
}

// run follows until ctx ends. The first list is of the state as it is when the
// feed has caught up with the log.
func (f *feed) run(ctx context.Context) error {
	s, err := f.catchUp(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.builder, f.routes, f.live = state.NewBuilder(s), s.Routes, true
	f.decide()
	f.mu.Unlock()
	follow := bus.Follow{
		Stream: events.StreamEvents, Filter: events.NodeFacts(f.node), After: s.Seq,
		Live: f.caughtUp, Reset: f.forget,
	}
	return f.conn.Follow(ctx, follow, f.record)
}

// catchUp returns the state at the end of the log, by way of a snapshot.
func (f *feed) catchUp(ctx context.Context) (state.State, error) {
	ctx, cancel := context.WithCancel(ctx)
	view := bus.NewView(f.conn, f.node)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = view.Run(ctx) // ends with ctx, or Wait does
	}()
	s, err := view.Wait(ctx, func(state.State) bool { return true })
	cancel()
	<-ended
	if err != nil {
		return s, fmt.Errorf("catch up with the facts of node %s: %w", f.node, err)
	}
	return s, nil
}

func (f *feed) record(r events.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := events.ParseFactSubject(string(r.Subject))
	hidden := f.hidden(a.Entity)
	f.builder.Apply(r)
	// Sites depend on what procd says alone; how long they are held on to, on what it
	// says of itself too.
	changes := f.hold != nil || !(hidden && f.hidden(a.Entity))
	if err == nil && a.Source == events.Procd && f.live && changes {
		f.decide()
	}
	return nil
}

// hidden reports whether an entity is nothing that the edge exposes: what becomes
// of it changes no site. It is called with mu held.
func (f *feed) hidden(e events.Entity) bool {
	return len(f.builder.Peek().Services[e].Registered.Routes) == 0
}

// forget begins anew with a log that lost its memory.
func (f *feed) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builder, f.live = state.NewBuilder(state.New(f.node)), false
	f.before, f.hold = f.last, map[events.Entity]bool{}
}

func (f *feed) caughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.live {
		f.live = true
		f.decide()
	}
}

// decide adds a list. It is called with mu held.
func (f *feed) decide() {
	sites := site.Decide(f.builder.Peek())
	if f.hold != nil {
		sites = site.Hold(f.before, sites, f.hold)
	}
	f.last = sites
	f.lists = append(f.lists, sites)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take returns the lists decided since the last call, and whether a hold may end
// when procd has had its time.
func (f *feed) take() (lists [][]site.Site, holding bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lists, f.lists = f.lists, nil
	return lists, f.hold != nil && f.live && f.builder.Peek().Ready[events.Procd].Ready
}

// release ends a hold.
func (f *feed) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hold != nil && f.live {
		f.before, f.hold = nil, nil
		f.decide()
	}
}

// known returns the routes that an earlier edge stated, as they stood at first.
func (f *feed) known() map[events.Entity]state.Route {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.routes
}
