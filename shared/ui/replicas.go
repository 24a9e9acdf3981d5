package ui

import (
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// groups are the specs of which there are several replicas.
func (b *builder) groups() []Group {
	groups := []Group{}
	for _, id := range b.s.Groups() {
		g := Group{ID: id, Replicas: b.s.Members(id)}
		if len(g.Replicas) == 0 || g.Replicas[0] == id {
			continue // a service of its own has the name
		}
		healthy, wanted := 0, 0
		for _, one := range g.Replicas {
			v := b.s.Services[one]
			if v.Desired.Running {
				wanted++
			}
			if v.Settled() {
				healthy++
			}
		}
		g.State = Badge{fmt.Sprintf("%d of %d healthy", healthy, wanted), OK}
		switch {
		case wanted == 0:
			g.State = Badge{"stopped", Idle}
		case healthy == 0:
			g.State.Tone = Bad
		case healthy < wanted:
			g.State.Tone = Warn
		}
		for _, o := range b.offers(KindService, id) {
			if a, _ := Find(o.ID); a.Sends() { // each has logs of its own
				g.Actions = append(g.Actions, o)
			}
		}
		groups = append(groups, g)
	}
	return groups
}

// together makes one row of the routes that replicas of one spec share.
func (b *builder) together(rows []Route) []Route {
	list := []Route{}
	at := map[string]int{}
	for _, r := range rows {
		group := events.Entity(b.s.Services[r.Service].Registered.ReplicaOf)
		if group == "" || r.State.Text == string(state.RouteRefused) {
			list = append(list, r)
			continue
		}
		key := string(group) + " " + strings.Join(r.Addresses, " ")
		i, known := at[key]
		if !known {
			at[key] = len(list)
			if r.State.Text != string(state.RouteOpen) {
				r.Upstreams = []string{}
			}
			r.Service = group
			list = append(list, r)
			continue
		}
		row := &list[i]
		switch open := string(state.RouteOpen); {
		case r.State.Text == open && row.State.Text == open:
			row.Upstreams = append(row.Upstreams, r.Upstreams...)
		case r.State.Text == open:
			row.State, row.Upstreams, row.Since, row.Age, row.Reason = r.State, r.Upstreams, r.Since, r.Age, ""
		}
	}
	slices.SortStableFunc(list, func(a, b Route) int { return strings.Compare(string(a.Service), string(b.Service)) })
	return list
}
