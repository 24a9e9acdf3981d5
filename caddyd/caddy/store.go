package caddy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"core.internal/shared/caddy/site"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// routeValue is the value of one service in [events.BucketRoutes].
type routeValue struct {
	State  state.RouteState `json:"state"`
	Routes []events.Route   `json:"routes,omitempty"`
	Reason string           `json:"reason,omitempty"`
}

// store keeps the bucket of routes as the edge serves them.
type store struct {
	d    *daemon.Daemon
	wake chan struct{}

	mu   sync.Mutex
	want map[string][]byte // by key; guarded by mu
	lost bool              // the bucket may hold anything; guarded by mu

	have map[string][]byte // run's alone
}

func newStore(d *daemon.Daemon) *store {
	return &store{d: d, wake: make(chan struct{}, 1), lost: true}
}

// set says what the bucket is to hold.
func (s *store) set(sites []site.Site, refused map[events.Entity]string) {
	want := make(map[string][]byte, len(sites))
	for _, one := range sites {
		if why, bad := refused[one.Service]; bad {
			one = one.Refuse(why)
		}
		b, err := json.Marshal(routeValue{one.State, one.Routes, one.Reason})
		if err != nil {
			s.d.Log.Error("a route cannot be stored", "service", one.Service, "error", err)
			continue
		}
		want[events.DesiredKey(s.d.Config.Name, one.Service)] = b
	}
	s.mu.Lock()
	s.want = want
	s.mu.Unlock()
	s.signal()
}

// renew says that the bucket was lost.
func (s *store) renew() {
	s.mu.Lock()
	s.lost = true
	s.mu.Unlock()
	s.signal()
}

func (s *store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// together is how long the store waits for what else changes: services that start
// change one route after the other.
const together = 250 * time.Millisecond

// run writes what changed until ctx ends.
func (s *store) run(ctx context.Context) error {
	var due <-chan time.Time
	for {
		select {
		case <-s.wake:
			if due == nil {
				due = time.After(together)
			}
			continue
		case <-due:
			due = nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.write(ctx); err != nil && ctx.Err() == nil {
			s.d.Log.Debug("the routes are stored later", "error", err)
			due = time.After(retry)
		}
	}
}

func (s *store) write(ctx context.Context) error {
	s.mu.Lock()
	want, lost := s.want, s.lost
	s.lost = false
	s.mu.Unlock()
	err := s.sync(ctx, want, lost)
	if err != nil {
		s.mu.Lock()
		s.lost = s.lost || lost
		s.mu.Unlock()
		return fmt.Errorf("store the routes: %w", err)
	}
	return nil
}

func (s *store) sync(ctx context.Context, want map[string][]byte, lost bool) error {
	bucket, err := s.d.Bus.Bucket(ctx, events.BucketRoutes)
	if err != nil {
		return err
	}
	if lost {
		s.have = map[string][]byte{}
		keys, err := bucket.ListKeys(ctx)
		if err != nil {
			return err
		}
		prefix := events.DesiredKey(s.d.Config.Name, "")
		for key := range keys.Keys() {
			if strings.HasPrefix(key, prefix) {
				s.have[key] = nil
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if bytes.Equal(s.have[key], want[key]) {
			continue
		}
		if _, err := bucket.Put(ctx, key, want[key]); err != nil {
			return err
		}
		s.have[key] = want[key]
	}
	for _, key := range slices.Sorted(maps.Keys(s.have)) {
		if _, wanted := want[key]; wanted {
			continue
		}
		if err := bucket.Delete(ctx, key); err != nil {
			return err
		}
		delete(s.have, key)
	}
	return nil
}
