package web

import (
	"context"
	"sync"
	"time"

	"core.internal/shared/state"
)

// pace is the shortest time between two renderings of the same view.
const pace = 100 * time.Millisecond

// section is a part of the page that is patched as a whole: an element whose id
// is fixed, and its markup.
type section struct {
	id   string
	html string
	rev  uint64 // of the frame in which the markup last changed
}

// board keeps the rendering of the node's state. It is rendered at most once
// per change and only for somebody who looks, however many do.
type board struct {
	state  func() state.State
	render func(state.State) ([]section, error)

	mu       sync.Mutex
	dirty    bool          // guarded by mu: the state changed since the rendering
	sections []section     // guarded by mu; the slice is never written to again
	rev      uint64        // guarded by mu
	changed  chan struct{} // guarded by mu; closed when it becomes dirty
}

func newBoard(now func() state.State, render func(state.State) ([]section, error)) *board {
	return &board{state: now, render: render, dirty: true, changed: make(chan struct{})}
}

// Run marks the rendering as outdated when the state changes, at most once per
// pace, until ctx ends.
func (b *board) Run(ctx context.Context, changes <-chan struct{}) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-changes:
			if !open {
				changes = nil
				continue
			}
		}
		b.outdate()
		pause.Reset(pace)
	}
}

// outdate marks the rendering as outdated and tells who waits for that.
func (b *board) outdate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		b.dirty = true
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// frame returns the page's sections as they are now, and a channel that is
// closed when they are not any more.
func (b *board) frame() ([]section, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dirty {
		next, err := b.render(b.state())
		if err != nil {
			return nil, b.changed, err
		}
		b.rev++
		old := map[string]section{}
		for _, s := range b.sections {
			old[s.id] = s
		}
		for i, s := range next {
			next[i].rev = b.rev
			if o, ok := old[s.id]; ok && o.html == s.html {
				next[i].rev = o.rev
			}
		}
		b.sections, b.dirty = next, false
	}
	return b.sections, b.changed, nil
}
