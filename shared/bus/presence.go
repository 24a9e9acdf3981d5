package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/events"
)

// Heartbeat keeps a source's presence alive until ctx ends, and then removes it.
func (c *Conn) Heartbeat(ctx context.Context, node events.Node, s events.Source, p events.Presence) error {
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("heartbeat of %s: %w", s, err)
	}
	subject := string(events.PresenceSubject(node, s))
	beat := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}
	beat.Header.Set(jetstream.MsgTTLHeader, PresenceTTL.String())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := c.changes()
		c.beat(beat)
		timer.Reset(pause(time.Now(), events.HeartbeatPause))
		select {
		case <-timer.C:
		case <-changed: // at once to a bus that is back
		case <-ctx.Done():
			gone := &nats.Msg{Subject: subject, Header: nats.Header{}}
			gone.Header.Set("KV-Operation", "DEL")
			gone.Header.Set(jetstream.MsgTTLHeader, PresenceTTL.String())
			c.beat(gone)
			return ctx.Err()
		}
	}
}

// pause is the time until the next multiple of an interval. All sources of a
// machine beat at the same moments: a server that is woken seven times a second
// takes several times the processor of one that is woken once for all seven.
func pause(now time.Time, interval time.Duration) time.Duration {
	return now.Truncate(interval).Add(interval).Sub(now)
}

// beat sends without waiting; one that is lost is followed by others.
func (c *Conn) beat(m *nats.Msg) {
	if !c.NC.IsConnected() {
		return
	}
	if err := c.NC.PublishMsg(m); err != nil {
		c.log.Debug("heartbeat", "error", err)
	}
}

// Present is the presence of one source, or that it has none any more.
type Present struct {
	Source events.Source
	Here   bool
	events.Presence
}

// WatchPresence tells the presence of each source of a node, and each change,
// until ctx ends. While the bus is away nothing changes; after a bus lost its
// memory a source is gone that does not come back within twice the time that a
// heartbeat lasts.
func (c *Conn) WatchPresence(ctx context.Context, node events.Node, fn func(Present)) error {
	g, ctx := errgroup.WithContext(ctx)
	updates, resets := make(chan Present), make(chan struct{})
	g.Go(func() error {
		f := Follow{
			Stream: events.KVStream(events.BucketPresence), Latest: true,
			Filter: events.PresenceSubject(node, events.Any),
		}
		f.Reset = func() {
			select {
			case resets <- struct{}{}:
			case <-ctx.Done():
			}
		}
		return c.Follow(ctx, f, func(r events.Record) error {
			_, source, err := events.ParsePresenceSubject(r.Subject)
			p := Present{Source: source, Here: len(r.Data) > 0}
			if err == nil && p.Here {
				err = json.Unmarshal(r.Data, &p.Presence)
			}
			if err != nil {
				c.log.Warn("a heartbeat is none", "subject", string(r.Subject), "error", err)
				return nil
			}
			select {
			case updates <- p:
			case <-ctx.Done():
			}
			return nil
		})
	})
	g.Go(func() error {
		here, missing := map[events.Source]events.Presence{}, map[events.Source]bool{}
		var grace <-chan time.Time
		for {
			select {
			case p := <-updates:
				delete(missing, p.Source)
				old, was := here[p.Source]
				if was == p.Here && old == p.Presence {
					continue // one more beat
				}
				if p.Here {
					here[p.Source] = p.Presence
				} else {
					delete(here, p.Source)
				}
				fn(p)
			case <-resets:
				for s := range here {
					missing[s] = true
				}
				grace = time.After(2 * PresenceTTL)
			case <-grace:
				for s := range missing {
					delete(here, s)
					fn(Present{Source: s})
				}
				clear(missing)
			case <-ctx.Done():
				return fmt.Errorf("watch who is present: %w", ctx.Err())
			}
		}
	})
	return g.Wait()
}
