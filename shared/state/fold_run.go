package state

import (
	"cmp"
	"slices"

	"core.internal/shared/events"
)

func foldRun(b *Builder, e events.Envelope, body events.Body) {
	all := write(&b.s.Runs, &b.own.runs)
	r, ok := all[e.Entity]
	if !ok {
		r = Run{ID: e.Entity, State: events.StepRunning}
	}
	switch f := body.(type) {
	case events.RunStarted:
		r.Pipeline, r.Params, r.Steps = f.Pipeline, f.Params, f.Steps
		r.State, r.Since, r.Began, r.Reason = events.StepRunning, e.Time, e.Time, ""
	case events.RunAdvanced:
		r.Pipeline, r.Steps = f.Pipeline, f.Steps
	case events.RunEnded:
		r.Pipeline, r.Steps = f.Pipeline, f.Steps
		r.State, r.Since, r.Reason = f.State, e.Time, f.Reason
	}
	all[e.Entity] = r
	if r.Ended() {
		forget(all)
	}
}

// Ended reports whether nothing more comes of the run.
func (r Run) Ended() bool { return r.State != events.StepRunning && r.State != events.StepPending }

// forget drops the oldest ended runs beyond [MaxRuns].
func forget(all map[events.Entity]Run) {
	if len(all) <= MaxRuns {
		return
	}
	var ended []Run
	for _, r := range all {
		if r.Ended() {
			ended = append(ended, r)
		}
	}
	slices.SortFunc(ended, func(a, b Run) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	for len(ended) > MaxRuns {
		delete(all, ended[0].ID)
		ended = ended[1:]
	}
}
