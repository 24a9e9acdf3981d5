package bus

import (
	"cmp"
	"slices"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// retained has the latest acknowledged fact of each type of each entity, for the
// aggregates from which a node's state is folded. Facts carry absolute values,
// so these in their order give the state that all would.
type retained struct {
	facts map[retainedKey]retainedFact
	next  uint64
	ended []events.Entity // runs that ended, oldest first
}

type retainedKey struct {
	entity events.Entity
	typ    events.Type
}

type retainedFact struct {
	fact
	order uint64
}

func (r *retained) keep(f fact) {
	e := f.envelope
	switch e.Type.Aggregate() {
	case "stage", "service", "daemon", "route", "run", "specs":
	default:
		return
	}
	if r.facts == nil {
		r.facts = map[retainedKey]retainedFact{}
	}
	r.next++
	r.facts[retainedKey{e.Entity, e.Type}] = retainedFact{f, r.next}
	if e.Type == (events.RunEnded{}).EventType() {
		r.forget(e.Entity)
	}
}

// forget drops the facts of the oldest ended runs, as the state does.
func (r *retained) forget(ended events.Entity) {
	if r.ended = append(r.ended, ended); len(r.ended) <= state.MaxRuns {
		return
	}
	oldest := r.ended[0]
	r.ended = r.ended[1:]
	for k := range r.facts {
		if k.entity == oldest {
			delete(r.facts, k)
		}
	}
}

// inOrder returns what is retained in the order in which it was stated.
func (r *retained) inOrder() []fact {
	all := make([]retainedFact, 0, len(r.facts))
	for _, f := range r.facts {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b retainedFact) int { return cmp.Compare(a.order, b.order) })
	facts := make([]fact, len(all))
	for i, f := range all {
		facts[i] = f.fact
	}
	return facts
}
