package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// View is the state of one node as its facts tell it, kept up to date by Run.
type View struct {
	c    *Conn
	node events.Node
	lost func() // called when the log lost its memory; may be nil

	mu       sync.Mutex
	state    state.State            // guarded by mu
	newer    *fold                  // has a newer one, nil where it is the newest; guarded by mu
	live     bool                   // the state has caught up with the log; guarded by mu
	watchers map[chan struct{}]bool // guarded by mu
}

// NewView returns a view that has seen nothing yet.
func NewView(c *Conn, node events.Node) *View {
	return &View{c: c, node: node, state: state.New(node), watchers: map[chan struct{}]bool{}}
}

// Lost has fn called whenever the log turns out to have lost what was folded. It
// is set before Run.
func (v *View) Lost(fn func()) { v.lost = fn }

// settle is how long a view goes on showing what it knew of a log that was lost:
// until then those whose state it was have repeated it.
const settle = 500 * time.Millisecond

// Run folds the node's facts, from the latest snapshot on, until ctx ends.
func (v *View) Run(ctx context.Context) error {
	s, ok := v.c.loadSnapshot(ctx, v.node)
	if !ok {
		s = state.New(v.node)
	}
	f := &fold{v: v, builder: state.NewBuilder(s)}
	err := v.c.Follow(ctx, Follow{
		Stream: events.StreamEvents, Filter: events.NodeFacts(v.node), After: s.Seq, Live: f.caughtUp, Reset: f.reset,
	}, f.apply)
	f.end()
	return fmt.Errorf("view of node %s: %w", v.node, err)
}

// fold is one Run of a view.
type fold struct {
	v *View

	mu      sync.Mutex
	builder *state.Builder // guarded by mu
	live    bool           // what is folded is shown; guarded by mu
	lost    bool           // the log was lost and its successor has not settled; guarded by mu
	timer   *time.Timer    // ends that; guarded by mu
}

func (f *fold) apply(r events.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builder.Apply(r)
	if f.live {
		f.v.news(f)
	}
	return nil
}

func (f *fold) caughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.lost {
		f.live = true
		f.v.show(f.builder.State())
		return
	}
	f.stop()
	builder := f.builder
	f.timer = time.AfterFunc(settle, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.builder == builder && f.lost {
			f.live, f.lost = true, false
			f.v.show(f.builder.State())
		}
	})
}

func (f *fold) reset() {
	if f.v.lost != nil {
		f.v.lost()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
	if f.live {
		f.v.keep(f.builder.State())
	}
	f.builder = state.NewBuilder(state.New(f.v.node))
	// Before anything was shown there is nothing to go on showing.
	f.lost = f.lost || f.v.unsettle()
	f.live = false
}

// end lets no timer act any more.
func (f *fold) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
	f.lost = false
}

func (f *fold) stop() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// take hands the view the state that it has not got yet, and returns what the view
// is to show. A state is made when somebody looks: one for each fact would be a
// copy of all services for each.
func (f *fold) take() state.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live {
		f.v.keep(f.builder.State())
	}
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	return f.v.state
}

// look shows the state that is folded, if it is the one to be shown.
func (f *fold) look(fn func(state.State)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live {
		fn(f.builder.Peek())
	}
	return f.live
}

// State returns the state as it was last known. While a view catches up with the
// log, and for half a second after the log was lost, it stays what it was before;
// see [View.Live].
func (v *View) State() state.State {
	v.mu.Lock()
	s, newer := v.state, v.newer
	v.mu.Unlock()
	if newer == nil {
		return s
	}
	return newer.take()
}

// Look shows fn the state as it was last known. It is for who looks at every
// change: [View.State] makes a copy of all services after each. The view waits for
// fn, which must be brief, not call the view, and keep no map of what it sees.
func (v *View) Look(fn func(state.State)) {
	v.mu.Lock()
	newer := v.newer
	v.mu.Unlock()
	if newer == nil || !newer.look(fn) {
		fn(v.State())
	}
}

// Live reports whether the state has caught up with the log.
func (v *View) Live() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.live
}

// Changed returns a channel that receives after each change; changes that its
// reader did not wait for are one. It lasts as long as the view: see
// [View.Watch] for readers that come and go.
func (v *View) Changed() <-chan struct{} {
	ch := make(chan struct{}, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers[ch] = true
	return ch
}

// Watch is [View.Changed] until ctx ends.
func (v *View) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers[ch] = true
	context.AfterFunc(ctx, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.watchers, ch)
	})
	return ch
}

// Wait returns the first state, of a view that has caught up with the log, for
// which ok holds. What is said of fn in [View.Look] holds for ok.
func (v *View) Wait(ctx context.Context, ok func(state.State) bool) (state.State, error) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := v.Watch(watch)
	for {
		began := time.Now()
		if v.Live() {
			holds := false
			v.Look(func(s state.State) { holds = ok(s) })
			if holds {
				if s := v.State(); ok(s) { // it may be a later one
					return s, nil
				}
			}
		}
		// Where looking takes long, as with a thousand services that come up, several
		// changes are looked at together.
		pause := min(4*time.Since(began), 50*time.Millisecond)
		select {
		case <-changed:
		case <-ctx.Done():
			return v.State(), fmt.Errorf("wait for a state of node %s: %w", v.node, context.Cause(ctx))
		}
		if pause > time.Millisecond {
			_ = sleep(ctx, pause) // what ctx says is seen above
		}
	}
}

func (v *View) show(s state.State) {
	v.keep(s)
	v.news(nil)
}

// keep makes s the newest state.
func (v *View) keep(s state.State) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.newer = s, nil
}

// news tells everybody who watches that there is a new state, which a fold has.
func (v *View) news(newer *fold) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.newer, v.live = newer, true
	for ch := range v.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// unsettle keeps the last state for those who show it, and from those who wait.
// It reports whether there was one.
func (v *View) unsettle() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.live
	v.live = false
	return was
}

// SaveSnapshot stores a state from which views may begin. It needs the rights of
// procd.
func (c *Conn) SaveSnapshot(ctx context.Context, s state.State) error {
	fail := func(err error) error { return fmt.Errorf("save a snapshot of node %s at %d: %w", s.Node, s.Seq, err) }
	data, err := state.EncodeSnapshot(s)
	if err != nil {
		return fail(err)
	}
	kv, err := c.JS.KeyValue(ctx, events.BucketSnapshots)
	if err != nil {
		return fail(err)
	}
	if _, err := kv.Put(ctx, events.SnapshotKey(s.Node), data); err != nil {
		return fail(err)
	}
	return nil
}

// shortLog is how many facts are folded sooner than a snapshot is found.
const shortLog = 256

var errShort = errors.New("the log is short")

// loadSnapshot returns the node's snapshot if it is one of the log as it is now.
func (c *Conn) loadSnapshot(ctx context.Context, node events.Node) (state.State, bool) {
	var s state.State
	var entry jetstream.KeyValueEntry
	err := c.session(ctx, func(ctx context.Context) error {
		// What was known will not do: a log that was short then may have dropped since
		// what the snapshot alone tells of.
		info, err := c.current(ctx, events.StreamEvents)
		if err != nil {
			return err
		}
		if info.State.Msgs < shortLog && info.State.FirstSeq <= 1 {
			return errShort
		}
		kv, err := c.JS.KeyValue(ctx, events.BucketSnapshots)
		if err != nil {
			return err
		}
		if entry, err = kv.Get(ctx, events.SnapshotKey(node)); err != nil {
			return err
		}
		if info, err = c.fresh(ctx, events.StreamEvents); err != nil {
			return err
		}
		if s, err = state.DecodeSnapshot(entry.Value()); err != nil {
			return err
		}
		if s.Node != node || entry.Created().Before(info.Created) || s.Seq > info.State.LastSeq {
			return errors.New("it is of another log")
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, jetstream.ErrKeyNotFound) && !errors.Is(err, errShort) && ctx.Err() == nil {
			c.log.Info("folding from the log's beginning: no usable snapshot", "cause", err)
		}
		return state.State{}, false
	}
	return s, true
}
