package server

import (
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// tell passes on refusals, the first at once and then at most one a second.
func (s *Server) tell(ctx context.Context) error {
	for {
		select {
		case <-s.gate.news:
			r := s.gate.latest()
			s.config.Log.Warn("a client was refused", "user", r.User, "address", r.Address, "reason", r.Reason, "count", r.Count)
			if s.config.Refused != nil {
				s.config.Refused(r)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// pause lets some time pass; it fails where ctx ends meanwhile.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// welcome makes the bucket of each service that connects, once: most services
// never do, and a bucket costs the server as much as any stream.
func (s *Server) welcome(ctx context.Context, js jetstream.JetStream) error {
	made := map[events.Source]bool{}
	for {
		select {
		case <-s.gate.arrival:
		case <-ctx.Done():
			return ctx.Err()
		}
		for source := range s.gate.arrivals() {
			if made[source] {
				continue
			}
			if err := bus.EnsureServiceBucket(ctx, js, s.config.store(), events.Entity(source)); err == nil {
				made[source] = true
			} else if ctx.Err() == nil {
				s.config.Log.Error("a service has no bucket", "service", string(source), "error", err)
			}
		}
	}
}

// watch follows the key directory: who lost its key loses its connections.
func (s *Server) watch(ctx context.Context, nsd *natsd.Server, w *fsnotify.Watcher) error {
	known := s.gate.load()
	look := func(source events.Source) {
		now, err := bus.Public(s.config.Keys, source)
		if before, had := known[source]; had && now != before {
			s.disconnect(nsd, source, before)
		}
		if delete(known, source); err == nil {
			known[source] = now
		}
	}
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("bus: the key directory is not watched any more")
			}
			if source, ok := bus.PublicFileOf(e.Name); ok {
				look(source)
			}
			continue
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("bus: the key directory is not watched any more")
			}
			s.config.Log.Warn("watching the key directory", "error", err)
			for source := range known { // something was missed
				look(source)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// disconnect ends the connections of a source whose key is gone or another.
func (s *Server) disconnect(nsd *natsd.Server, source events.Source, key string) {
	z, err := nsd.Connz(&natsd.ConnzOptions{Username: true, User: key, Limit: 1 << 16})
	if err != nil {
		s.config.Log.Error("a source that lost its key stays connected", "source", string(source), "error", err)
		return
	}
	for _, c := range z.Conns {
		// A client that is not there any more is as wanted.
		_ = nsd.DisconnectClientByID(c.Cid)
	}
	s.config.Log.Info("a source lost its key", "source", string(source), "connections", len(z.Conns))
}
