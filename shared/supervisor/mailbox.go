package supervisor

import (
	"context"
	"sync"
)

// mailbox is what others want done in Run's goroutine.
type mailbox struct {
	ready chan struct{} // holds a token while there may be something
	gone  chan struct{} // closed when nothing is done any more

	mu     sync.Mutex
	queue  []func() // guarded by mu
	closed bool     // guarded by mu
}

// post adds f, and reports false where nobody will run it.
func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.queue = append(m.queue, f)
	if len(m.queue) == 1 {
		select {
		case m.ready <- struct{}{}:
		default:
		}
	}
	return true
}

// take returns what was posted, in order, reusing the space of what it returned
// before.
func (m *mailbox) take(space []func()) []func() {
	clear(space)
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	m.queue = space[:0]
	return q
}

func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.queue = true, nil
	close(m.gone)
}

// do runs f in Run's goroutine and returns when what follows from it at once has
// been decided and stated.
func (s *Supervisor) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if !s.mail.post(func() { f(); s.asked = append(s.asked, done) }) {
		return ErrEnded
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ended:
		select {
		case <-done:
			return nil
		default:
			return ErrEnded
		}
	}
}
