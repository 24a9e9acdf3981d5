package caddy

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/caddy"
	"core.internal/shared/caddy/site"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// edge makes Caddy serve what the state says. It belongs to one goroutine.
type edge struct {
	d      *daemon.Daemon
	server *caddy.Server
	ledger site.Ledger
	begun  bool
	seq    uint64 // of the last state looked at
	served []site.Site
	// released and held keep what was served going while a bus that lost its
	// memory is told everything anew; see [site.Hold].
	held     []site.Site
	released map[events.Entity]bool
	writes   map[events.Entity]site.Site // what is to be stored
}

// follow applies every change of the state until ctx ends.
func (e *edge) follow(ctx context.Context, view *bus.View) error {
	changed := view.Watch(ctx)
	for {
		if view.Live() {
			s := view.State()
			if s.Seq < e.seq {
				e.held, e.released = e.served, map[events.Entity]bool{}
				for _, one := range e.served { // the bucket is lost too
					e.writes[one.Service] = one
				}
			}
			e.seq = s.Seq
			e.apply(ctx, s)
			e.store(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// apply serves what the state says and states what changed.
func (e *edge) apply(ctx context.Context, s state.State) {
	sites := site.Decide(s)
	if e.held != nil {
		sites = site.Hold(e.held, sites, e.released)
	}
	refused, err := e.server.Apply(ctx, sites)
	if err != nil {
		e.d.Log.Error("the edge keeps its last configuration", "error", err)
		return
	}
	e.served = sites
	e.ledger.Note(sites)
	if !e.begun {
		e.begun = true
		e.ledger.Forget(s.Routes)
	}
	for _, c := range e.ledger.Take(refused) {
		e.d.Facts.State(c.Service, c.Body, "")
		if i := slices.IndexFunc(sites, func(one site.Site) bool { return one.Service == c.Service }); i >= 0 {
			e.writes[c.Service] = sites[i]
		}
	}
}

// store keeps the routes as they are served in their bucket, for other nodes.
// What cannot be written now is written after the next change.
func (e *edge) store(ctx context.Context) {
	if len(e.writes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	bucket, err := e.d.Bus.Bucket(ctx, events.BucketRoutes)
	for _, id := range slices.Sorted(maps.Keys(e.writes)) {
		if err != nil {
			e.d.Log.Warn("the routes cannot be stored", "error", err)
			return
		}
		var value []byte
		if value, err = json.Marshal(e.writes[id]); err == nil {
			_, err = bucket.Put(ctx, events.DesiredKey(e.d.Config.Name, id), value)
		}
		if err == nil {
			delete(e.writes, id)
		}
	}
}
