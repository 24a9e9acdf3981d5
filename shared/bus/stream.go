package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// known is what the server said of a stream while the connection was what it is.
type known struct {
	info  *jetstream.StreamInfo
	since <-chan struct{} // the connection's changes then
}

// look returns what the server says of a stream now to who knows something of it
// already, and what is recent to who begins with it.
func (c *Conn) look(ctx context.Context, name string, known bool) (*jetstream.StreamInfo, error) {
	if known {
		return c.fresh(ctx, name)
	}
	return c.recent(ctx, name)
}

// recent returns what the server says of a stream, or what it said earlier on this
// connection: of the stream's messages, then, there may be more. Whoever begins
// with a stream asks for it; at the begin of a connection that is many at once.
func (c *Conn) recent(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	since := c.changes()
	c.mu.Lock()
	k, ok := c.streams[name]
	c.mu.Unlock()
	if ok && k.since == since {
		return k.info, nil
	}
	return c.current(ctx, name)
}

// current asks the server, once for all who ask at the same time. Each waits for the
// answer as long as its own context lasts.
func (c *Conn) current(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	select {
	case r := <-c.asking.DoChan(name, func() (any, error) { return c.fresh(ctx, name) }):
		if r.Shared && ctx.Err() == nil && (errors.Is(r.Err, context.Canceled) || errors.Is(r.Err, context.DeadlineExceeded)) {
			return c.fresh(ctx, name) // it was the other's context that ended
		}
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*jetstream.StreamInfo), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("look at stream %s: %w", name, ctx.Err())
	}
}

// fresh asks the server. What was known before is forgotten where it does not
// answer: the stream may be gone, and the next of that name is another one.
func (c *Conn) fresh(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	since := c.changes()
	stream, err := c.JS.Stream(ctx, name)
	if err != nil {
		c.forget(name)
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[name] = known{info, since}
	return info, nil
}

// forget has the server asked again.
func (c *Conn) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, name)
}
