package site

import (
	"cmp"
	"maps"
	"slices"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Site is how the edge exposes one service.
type Site struct {
	Service events.Entity
	Name    string // as pages show it
	// Group is the spec of which the service is one of several replicas; empty
	// for none. What replicas of one spec have in common they share.
	Group events.Entity
	State state.RouteState
	// Routes have upstreams where the site is open and none where it is closed.
	Routes []events.Route
	Reason string // why it is closed or refused
}

// Refuse is s, not served.
func (s Site) Refuse(reason string) Site {
	s.State, s.Routes, s.Reason = state.RouteRefused, nil, reason
	return s
}

// Decide returns the sites of a node, sorted by service: what its state says,
// checked.
func Decide(s state.State) []Site {
	var sites []Site
	for _, id := range slices.Sorted(maps.Keys(s.Services)) {
		if service := s.Services[id]; len(service.Registered.Routes) > 0 {
			sites = append(sites, of(service))
		}
	}
	return Check(sites)
}

func of(s state.Service) Site {
	site := Site{
		Service: s.ID, Name: cmp.Or(s.Registered.Name, string(s.ID)), State: state.RouteClosed,
		Group: events.Entity(s.Registered.ReplicaOf),
	}
	switch {
	case !s.Serving():
		site.Reason = s.NotServed()
	case len(s.Routes) == 0:
		site.Reason = "it did not say where it listens"
	default:
		site.State, site.Routes = state.RouteOpen, s.Routes
		return site
	}
	site.Routes = public(s.Registered.Routes)
	return site
}

// public returns routes without what is known only of a running service.
func public(routes []events.Route) []events.Route {
	list := slices.Clone(routes)
	for i := range list {
		list[i].Upstreams, list[i].Health = nil, nil
	}
	return list
}

// Hold returns the sites to serve while the state is being told anew to a bus
// that lost its memory: what was served before goes on until the state says the
// same or more. released remembers the services about which the state has said
// enough; it is the caller's to begin empty.
func Hold(before, now []Site, released map[events.Entity]bool) []Site {
	byID := map[events.Entity]Site{}
	for _, s := range now {
		byID[s.Service] = s
	}
	for _, old := range before {
		s, known := byID[old.Service]
		switch {
		case released[old.Service]:
		case known && s.State == old.State:
			released[old.Service] = true
		case known && s.State != state.RouteClosed:
			released[old.Service] = true
		default:
			byID[old.Service] = old
		}
	}
	list := slices.Collect(maps.Values(byID))
	slices.SortFunc(list, func(a, b Site) int { return cmp.Compare(a.Service, b.Service) })
	return Check(list)
}
