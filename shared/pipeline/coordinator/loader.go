package coordinator

import (
	"maps"
	"slices"

	"core.internal/shared/events"
)

// loader folds the journals found at the start.
type loader struct {
	c    *Coordinator
	runs map[events.Entity]*run // those that have not ended
	done bool
}

// add folds one record. One that cannot be understood ends neither the daemon
// nor the other runs; it is logged with its sequence.
func (l *loader) add(rec events.Record) {
	e, err := events.DecodeRecord(rec)
	if err != nil {
		l.c.o.Log.Error("the journal has an entry that cannot be read", "subject", rec.Subject, "error", err)
		return
	}
	if e.Node != l.c.o.Node {
		return
	}
	r, known := l.runs[e.Entity]
	if !known {
		r = newRun(l.c, e.Entity)
	}
	state, err := r.state.Apply(e)
	if err != nil {
		l.c.o.Log.Error("the journal has an entry that does not fit", "sequence", rec.Seq, "error", err)
		return
	}
	r.state, r.request, r.journal.pipeline = state, state.Request, state.Pipeline
	r.journal.found(rec, e)
	l.runs[e.Entity] = r
	if state.Over() {
		delete(l.runs, e.Entity)
		l.c.ended[e.Entity] = ended{request: state.Request, state: state.State}
	}
}

// interrupted returns the runs to be resumed, in the order in which they began,
// and makes them active.
func (l *loader) interrupted() []*run {
	runs := slices.SortedFunc(maps.Values(l.runs), func(a, b *run) int {
		return int(a.journal.first) - int(b.journal.first)
	})
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	for _, r := range runs {
		for _, s := range r.state.Steps {
			if s.State == events.StepRunning {
				r.interrupted = append(r.interrupted, s.Name)
			}
		}
		r.state = r.state.Interrupted()
		l.c.active[r.state.ID] = r
	}
	return runs
}
