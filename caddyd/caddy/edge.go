package caddy

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	sites  *prometheus.GaugeVec
	stated map[events.Entity]stated
	seq    uint64 // of the last state looked at
	writes map[events.Entity]stated
}

// stated is what the last fact about a service's routes said.
type stated struct {
	State  state.RouteState `json:"state"`
	Routes []events.Route   `json:"routes,omitempty"`
	Reason string           `json:"reason,omitempty"`
}

// follow applies every change of the state until ctx ends.
func (e *edge) follow(ctx context.Context, view *bus.View) error {
	changed := view.Watch(ctx)
	for {
		if view.Live() {
			s := view.State()
			if s.Seq < e.seq {
				e.writes = maps.Clone(e.stated) // the bus lost the bucket too
			}
			e.seq = s.Seq
			e.apply(s)
			e.store(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *edge) apply(s state.State) {
	sites := site.FromState(s)
	refused, err := e.server.Apply(sites)
	if err != nil {
		e.d.Log.Error("the edge keeps its last configuration", "error", err)
		return
	}
	now := map[events.Entity]stated{}
	counts := map[state.RouteState]int{state.RouteOpen: 0, state.RouteClosed: 0, state.RouteRefused: 0}
	for _, one := range sites {
		what := stated{State: state.RouteClosed, Routes: one.Routes, Reason: one.Reason}
		switch why, no := refused[one.Service]; {
		case no:
			what = stated{State: state.RouteRefused, Reason: why}
		case one.Open:
			what = stated{State: state.RouteOpen, Routes: one.Routes}
		}
		now[one.Service] = what
		counts[what.State]++
		e.say(s, one.Service, what)
	}
	for _, id := range slices.Sorted(maps.Keys(e.stated)) {
		if _, there := now[id]; !there {
			e.d.Facts.State(id, events.RouteRemoved{}, "")
			delete(e.stated, id)
		}
	}
	for state, count := range counts {
		e.sites.WithLabelValues(string(state)).Set(float64(count))
	}
}

// say states what is served for a service, if that is news.
func (e *edge) say(s state.State, id events.Entity, what stated) {
	before, known := e.stated[id]
	if !known {
		// What an edge before this one stated and still holds is no news.
		r, stood := s.Routes[id]
		before = stated{State: r.State, Routes: r.Routes, Reason: r.Reason}
		if !stood && what.State == state.RouteOpen {
			closed := s.Services[id].Registered.Routes
			e.d.Facts.State(id, events.RouteClosed{Routes: closed, Reason: "it is starting"}, "")
		}
		known = stood
	}
	e.stated[id] = what
	// Why a route is closed may change without news: what is served is the same.
	if known && before.State == what.State && (what.State == state.RouteClosed || reflect.DeepEqual(before, what)) {
		return
	}
	switch what.State {
	case state.RouteOpen:
		e.d.Facts.State(id, events.RouteOpened{Routes: what.Routes}, "")
	case state.RouteClosed:
		closed := s.Services[id].Registered.Routes
		reason := what.Reason
		if !known {
			reason = "it is starting"
		}
		e.d.Facts.State(id, events.RouteClosed{Routes: closed, Reason: reason}, "")
	case state.RouteRefused:
		e.d.Facts.State(id, events.RouteRefused{Reason: what.Reason}, "")
	}
	if e.writes == nil {
		e.writes = map[events.Entity]stated{}
	}
	e.writes[id] = what
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
