package state

import (
	"slices"

	"core.internal/shared/events"
)

func foldOutcome(b *Builder, e events.Envelope, body events.Body) {
	if e.Cause == "" {
		return // nobody can ask for it
	}
	o := Outcome{Command: e.Cause, Target: e.Source, Entity: e.Entity, Time: e.Time}
	switch f := body.(type) {
	case events.CommandAccepted:
		o.Verb, o.State = f.Verb, OutcomeAccepted
	case events.CommandRejected:
		o.Verb, o.State, o.Reason = f.Verb, OutcomeRejected, f.Reason
	case events.CommandCompleted:
		o.Verb, o.State = f.Verb, OutcomeCompleted
	case events.CommandFailed:
		o.Verb, o.State, o.Reason = f.Verb, OutcomeFailed, f.Reason
	}
	all := b.s.Outcomes
	if !b.own.outcomes {
		all = slices.Clone(all)
		b.own.outcomes = true
	}
	if i := find(all, e.Cause); i >= 0 {
		if all[i].State.Final() && !o.State.Final() {
			o = all[i] // a redelivered request; its outcome stands
		}
		all = slices.Delete(all, i, i+1)
	}
	all = append(all, o)
	if n := len(all) - MaxOutcomes; n > 0 {
		all = slices.Delete(all, 0, n)
	}
	b.s.Outcomes = all
}

// Outcome tells how far a command has come; false if nothing was said of it, or
// too long ago.
func (s State) Outcome(id events.ID) (Outcome, bool) {
	if i := find(s.Outcomes, id); i >= 0 {
		return s.Outcomes[i], true
	}
	return Outcome{}, false
}

func find(all []Outcome, id events.ID) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Command == id {
			return i
		}
	}
	return -1
}
