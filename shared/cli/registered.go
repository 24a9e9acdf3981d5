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
	var expected []events.Entity // found when it matters
	looked := false
	limit, cancel := context.WithTimeout(ctx, registryWithin)
	defer cancel()
	st, err := s.view.Wait(limit, func(st state.State) bool {
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return knows(st, events.Entity(name)) })
		if len(missing) == 0 {
			return true
		}
		if !looked {
			looked, expected = true, c.expected()
		}
		return st.Ready[events.Procd].Ready && !slices.ContainsFunc(missing, func(name string) bool { return slices.Contains(expected, events.Entity(name)) })
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
