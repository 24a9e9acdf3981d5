package site

import (
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// join makes one entry of those that replicas of one spec have for the same
// hosts and path: it has the upstreams of all that are open, and is closed only
// where none is. The entries of the rest stay as they are.
func join(list []entry) []entry {
	type place struct {
		group       events.Entity
		hosts, path string
	}
	at := map[place]int{}
	reasons := map[int][]string{}
	var joined []entry
	for _, e := range list {
		group := e.site.Group
		if group == "" {
			joined = append(joined, e)
			continue
		}
		p := place{group, strings.Join(e.hosts, " "), e.path}
		i, known := at[p]
		if !known {
			i = len(joined)
			at[p] = i
			first := e
			first.services, first.upstreams, first.health = nil, nil, nil
			first.site.Service, first.site.Name = group, e.site.shared()
			first.site.State, first.site.Routes = state.RouteClosed, nil
			joined = append(joined, first)
		}
		j := &joined[i]
		j.services = append(j.services, e.site.Service)
		if e.site.State != state.RouteOpen {
			reasons[i] = append(reasons[i], fmt.Sprintf("%s %s", e.site.Service, e.site.Reason))
			continue
		}
		j.site.State = state.RouteOpen
		for _, u := range e.upstreams {
			if !slices.Contains(j.upstreams, u) {
				j.upstreams = append(j.upstreams, u)
			}
		}
		if j.health == nil {
			j.health = e.health
		}
	}
	for i, why := range reasons {
		if joined[i].site.State != state.RouteOpen {
			joined[i].site.Reason = together(why)
		}
	}
	return joined
}

// shared is the name that a replica has in common with the others: its own
// without its number.
func (s Site) shared() string {
	number := strings.TrimPrefix(string(s.Service), string(s.Group)+"-")
	return strings.TrimSuffix(strings.TrimSuffix(s.Name, " "+number), "-"+number)
}

// together is what keeps replicas from being served, in so many words.
func together(why []string) string {
	const most = 3
	if n := len(why); n > most {
		why = append(slices.Clone(why[:most]), fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(why, "; ")
}
