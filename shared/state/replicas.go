package state

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"core.internal/shared/events"
)

// Members lists the services that an id stands for: the service itself, or all
// replicas of a spec, by number; nothing where there is neither.
func (s State) Members(id events.Entity) []events.Entity {
	if _, ok := s.Services[id]; ok {
		return []events.Entity{id}
	}
	var list []events.Entity
	for _, v := range s.Services {
		if events.Entity(v.Registered.ReplicaOf) == id {
			list = append(list, v.ID)
		}
	}
	slices.SortFunc(list, func(a, b events.Entity) int { return cmp.Compare(number(a), number(b)) })
	return list
}

// Groups lists the specs of which there are replicas, sorted.
func (s State) Groups() []events.Entity {
	var list []events.Entity
	for _, v := range s.Services {
		if of := events.Entity(v.Registered.ReplicaOf); of != "" {
			list = append(list, of)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Names lists what a request may be about: the services and the specs of
// replicas, sorted.
func (s State) Names() []string {
	var names []string
	for id := range s.Services {
		names = append(names, string(id))
	}
	for _, id := range s.Groups() {
		names = append(names, string(id))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SortedServices returns the services by id, replicas of one spec at its place
// and by number.
func (s State) SortedServices() []Service {
	list := Sorted(s.Services)
	slices.SortStableFunc(list, func(a, b Service) int {
		if c := cmp.Compare(a.Group(), b.Group()); c != 0 || a.Registered.ReplicaOf == "" || b.Registered.ReplicaOf == "" {
			return c
		}
		return cmp.Compare(number(a.ID), number(b.ID))
	})
	return list
}

// Group is the spec of which the service is a replica, or the service's own id.
func (s Service) Group() events.Entity { return cmp.Or(events.Entity(s.Registered.ReplicaOf), s.ID) }

// number is a replica's.
func number(id events.Entity) int {
	n, _ := strconv.Atoi(string(id)[strings.LastIndexByte(string(id), '-')+1:])
	return n
}
