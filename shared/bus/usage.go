package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// PublishUsage replaces what a supervisor last said its processes use. It does not
// wait, and what it says is gone [UsageTTL] later.
func (c *Conn) PublishUsage(node events.Node, s events.Source, u events.Usage) error {
	data, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("publish the usage of %s: %w", s, err)
	}
	m := &nats.Msg{Subject: string(events.KVSubject(events.BucketPresence, events.UsageKey(node, s))), Data: data, Header: nats.Header{}}
	m.Header.Set(jetstream.MsgTTLHeader, UsageTTL.String())
	c.beat(m)
	return nil
}

// Usage returns what a supervisor last said its processes use: nothing where it
// has said nothing, or not lately.
func (c *Conn) Usage(ctx context.Context, node events.Node, s events.Source) (events.Usage, error) {
	var u events.Usage
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := c.followUsage(ctx, node, s, func() { cancel(errEnough) }, func(now events.Usage) { u = now })
	if errors.Is(context.Cause(ctx), errEnough) {
		err = nil
	}
	return u, err
}

// WatchUsage hands each of a supervisor's samples to fn, an empty one when there
// is none any more, until ctx ends.
func (c *Conn) WatchUsage(ctx context.Context, node events.Node, s events.Source, fn func(events.Usage)) error {
	return c.followUsage(ctx, node, s, nil, fn)
}

func (c *Conn) followUsage(ctx context.Context, node events.Node, s events.Source, live func(), fn func(events.Usage)) error {
	f := Follow{
		Stream: events.KVStream(events.BucketPresence), Latest: true, Live: live, Reset: func() { fn(events.Usage{}) },
		Filter: events.KVSubject(events.BucketPresence, events.UsageKey(node, s)),
	}
	return c.Follow(ctx, f, func(r events.Record) error {
		var u events.Usage
		if len(r.Data) > 0 {
			if err := json.Unmarshal(r.Data, &u); err != nil {
				c.log.Warn("a sample of usage is none", "subject", string(r.Subject), "error", err)
				return nil
			}
		}
		fn(u)
		return nil
	})
}
