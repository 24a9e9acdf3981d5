package cli

import (
	"context"
	"slices"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// registryWithin is how long a name that should be known is waited for.
const registryWithin = 5 * time.Second

// registered returns the state once it knows all names, or once it is plain that it
// never will. A bus that began anew knows nothing until everybody has told it again: a
// name is not unknown before procd has, nor is one that the specs found here have, or
// that every node has.
func (c *call) registered(ctx context.Context, s *session, names []string, knows func(state.State, events.Entity) bool) (state.State, error) {
	missing := func(st state.State) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return knows(st, events.Entity(name)) })
	}
	if st := s.view.State(); len(missing(st)) == 0 {
		return st, nil
	}
	expected := c.expected()
	limit, cancel := context.WithTimeout(ctx, registryWithin)
	defer cancel()
	st, err := s.view.Wait(limit, func(st state.State) bool {
		left := missing(st)
		return len(left) == 0 || st.Ready[events.Procd].Ready &&
			!slices.ContainsFunc(left, func(name string) bool { return slices.Contains(expected, events.Entity(name)) })
	})
	if ctx.Err() != nil {
		return st, ctx.Err()
	}
	if err != nil { // not in time: whoever asked says that it is unknown
		st = s.view.State()
	}
	return st, nil
}

// expected are the names of the daemons and of the specs that are found here.
func (c *call) expected() []events.Entity {
	var all []events.Entity
	for _, d := range events.Daemons() {
		all = append(all, events.Entity(d))
	}
	found, err := spec.Load(c.app.Specs(c.node))
	if err != nil {
		return all // what is wrong with the specs is not the question
	}
	for _, s := range spec.WithReplicas(found) {
		all = append(all, events.Entity(s.ID))
		if s.ReplicaOf != "" {
			all = append(all, events.Entity(s.ReplicaOf))
		}
	}
	return all
}
