package process

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// Beats knows when services were last heard of on the bus. It listens from the
// first question on: a node without checks of type bus pays nothing.
type Beats struct {
	conn  *bus.Conn
	node  events.Node
	asked chan struct{}
	once  sync.Once

	mu    sync.Mutex
	last  map[events.Source]time.Time // guarded by mu
	since time.Time                   // listening without a break; guarded by mu
}

// NewBeats returns what knows nothing yet; Run listens.
func NewBeats(conn *bus.Conn, node events.Node) *Beats {
	return &Beats{conn: conn, node: node, asked: make(chan struct{}), last: map[events.Source]time.Time{}}
}

// Last is a [core.internal/shared/process/health.Beats].
func (b *Beats) Last(id string) (last, listening time.Time) {
	b.once.Do(func() { close(b.asked) })
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.conn.NC.IsConnected() {
		b.since = time.Time{}
	}
	return b.last[events.Source(id)], b.since
}

// Run listens until ctx ends.
func (b *Beats) Run(ctx context.Context) error {
	select {
	case <-b.asked:
	case <-ctx.Done():
		return ctx.Err()
	}
	status := b.conn.NC.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED)
	defer b.conn.NC.RemoveStatusListener(status)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			select {
			case <-status:
				b.listening(time.Time{})
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	g.Go(func() error {
		f := bus.Follow{
			Stream: events.KVStream(events.BucketPresence), Latest: true,
			Filter: events.PresenceSubject(b.node, events.Any),
			Live:   func() { b.listening(time.Now()) },
		}
		return b.conn.Follow(ctx, f, func(r events.Record) error {
			_, source, err := events.ParsePresenceSubject(r.Subject)
			if err != nil || len(r.Data) == 0 {
				return nil // no heartbeat, or the end of one
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.last[source] = r.Time
			return nil
		})
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("listen to heartbeats: %w", err)
	}
	return nil
}

func (b *Beats) listening(since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = since
}
