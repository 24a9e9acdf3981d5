package coordinator

import (
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// Verbs of the requests that a coordinator takes.
var (
	verbRun    = events.RunPipeline{}.EventType().Verb()
	verbCancel = events.CancelRun{}.EventType().Verb()
)

// tell states a fact about a run.
func (c *Coordinator) tell(run events.Entity, body events.Body, cause events.ID) {
	c.o.Facts.State(run, body, cause)
}

func (r *run) tellStarted(resumed bool) {
	body := events.RunStarted{Pipeline: r.state.Pipeline, Params: r.state.Params, Steps: r.state.Statuses(), Resumed: resumed}
	r.c.tell(r.state.ID, body, r.state.Request)
}

func (r *run) tellAdvanced() {
	r.c.tell(r.state.ID, events.RunAdvanced{Pipeline: r.state.Pipeline, Steps: r.state.Statuses()}, r.state.Request)
}

// tellEnded states how the run ended and with that the outcomes of the requests
// that asked for it and for its end.
func (r *run) tellEnded(d pipeline.Decision) {
	id := r.state.ID
	r.c.tell(id, events.RunEnded{Pipeline: r.state.Pipeline, State: d.State, Reason: d.Reason, Steps: r.state.Statuses()}, r.state.Request)
	if d.State == events.StepCompleted {
		r.c.tell(id, events.CommandCompleted{Verb: verbRun}, r.state.Request)
	} else {
		r.c.tell(id, events.CommandFailed{Verb: verbRun, Reason: d.Reason}, r.state.Request)
	}
	for _, request := range r.state.Cancels {
		if d.State == events.StepCancelled {
			r.c.tell(id, events.CommandCompleted{Verb: verbCancel}, request)
		} else {
			r.c.tell(id, events.CommandFailed{Verb: verbCancel, Reason: "the run ended before it could be cancelled: it " + past(d.State)}, request)
		}
	}
}

// past says how a run ended, as in "it failed".
func past(s events.StepState) string {
	if s == events.StepCancelled {
		return "was cancelled"
	}
	return string(s)
}
