package site

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// FirstReason is the reason of the route.closed with which a ledger begins about
// each service, whatever the service does at that moment.
const FirstReason = "new to the edge"

// Change is one fact for the edge to state.
type Change struct {
	Service events.Entity
	Body    events.Body
}

// Ledger turns sites into the facts that the edge states about them. The zero
// value has stated nothing.
type Ledger struct {
	noted   map[events.Entity]Site
	refused map[events.Entity]string // stated for what Caddy alone found
	queue   []Change
}

// Forget queues route.removed for what an earlier edge stated about services
// that have no site now. It is called once, after the first Note.
func (l *Ledger) Forget(routes map[events.Entity]state.Route) {
	for _, id := range slices.Sorted(maps.Keys(routes)) {
		if _, known := l.noted[id]; !known {
			l.add(id, events.RouteRemoved{})
		}
	}
}

// Note compares sites with those noted before and queues what changed.
func (l *Ledger) Note(sites []Site) {
	next := make(map[events.Entity]Site, len(sites))
	for _, s := range sites {
		next[s.Service] = s
		old, known := l.noted[s.Service]
		switch {
		case !known || old.State == state.RouteRefused && s.State != state.RouteRefused:
			l.begin(s)
		case !same(old, s):
			l.add(s.Service, fact(s))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.noted)) {
		if _, still := next[id]; !still {
			l.add(id, events.RouteRemoved{})
		}
	}
	l.noted = next
}

// begin queues what is stated about a site that was not served before.
func (l *Ledger) begin(s Site) {
	if s.State != state.RouteRefused {
		l.add(s.Service, events.RouteClosed{Routes: public(s.Routes), Reason: FirstReason})
	}
	if s.State != state.RouteClosed {
		l.add(s.Service, fact(s))
	}
}

func (l *Ledger) add(id events.Entity, body events.Body) {
	l.queue = append(l.queue, Change{id, body})
}

// Take returns what is to be stated now that the sites noted last are live, and
// empties the queue. refused has the services that Caddy did not accept, with
// its reason: of them only the refusal is stated.
func (l *Ledger) Take(refused map[events.Entity]string) []Change {
	var changes []Change
	for _, c := range l.queue {
		if _, bad := refused[c.Service]; !bad {
			changes = append(changes, c)
		}
	}
	// A refusal that no longer holds, although nothing changed about the
	// service: another one was at fault.
	for _, id := range slices.Sorted(maps.Keys(l.refused)) {
		s, known := l.noted[id]
		_, still := refused[id]
		queued := slices.ContainsFunc(l.queue, func(c Change) bool { return c.Service == id })
		if known && !still && !queued {
			changes = append(changes, Change{id, fact(s)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(refused)) {
		if was, ok := l.refused[id]; !ok || was != refused[id] {
			changes = append(changes, Change{id, events.RouteRefused{Reason: refused[id]}})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Service, b.Service) })
	l.refused, l.queue = maps.Clone(refused), nil
	return changes
}

// Pending reports whether anything waits to be stated.
func (l *Ledger) Pending() bool { return len(l.queue) > 0 }

func fact(s Site) events.Body {
	switch s.State {
	case state.RouteOpen:
		return events.RouteOpened{Routes: s.Routes}
	case state.RouteClosed:
		return events.RouteClosed{Routes: s.Routes, Reason: s.Reason}
	}
	return events.RouteRefused{Reason: s.Reason}
}

// same reports whether nothing is to be stated: the reason of a closed site may
// change while it stays closed.
func same(a, b Site) bool {
	return a.State == b.State && reflect.DeepEqual(a.Routes, b.Routes) &&
		(a.State != state.RouteRefused || a.Reason == b.Reason)
}
