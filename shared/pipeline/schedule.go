package pipeline

import (
	"fmt"
	"strings"

	"core.internal/shared/events"
)

// Decision is what a run needs next.
type Decision struct {
	// Begin has the steps to carry out, in the order of the definition.
	Begin []Begin
	// End has the steps that end without being carried out.
	End []End
	// Stop has the running steps to be ended early.
	Stop []string
	// Over is set when nothing is left to do; State and Reason say how the run
	// ends.
	Over   bool
	State  events.StepState
	Reason string
}

// Begin is one step to be carried out.
type Begin struct {
	Step    string
	Attempt int
}

// End is one step that is not carried out.
type End struct {
	Step   string
	State  events.StepState // skipped or cancelled
	Reason string
}

// Next decides what to do, with at most limit steps at a time; no limit if it
// is less than 1.
//
// A failed step skips all that depend on it; the others go on. A cancelled run
// begins nothing more.
func (r Run) Next(limit int) Decision {
	if r.Over() {
		return Decision{Over: true, State: r.State, Reason: r.Reason}
	}
	var d Decision
	states := map[string]events.StepState{}
	running := 0
	for _, s := range r.Steps {
		states[s.Name] = s.State
		if s.State == events.StepRunning {
			running++
		}
	}
	for _, s := range r.Steps {
		switch {
		case s.State == events.StepRunning && r.Cancelling:
			d.Stop = append(d.Stop, s.Name)
		case s.State != events.StepPending:
		case r.Cancelling:
			d.End = append(d.End, End{s.Name, events.StepCancelled, ""})
			states[s.Name] = events.StepCancelled
		default:
			waiting, missing := s.inputs(states)
			switch {
			case missing != "":
				d.End = append(d.End, End{s.Name, events.StepSkipped, missing})
				states[s.Name] = events.StepSkipped
			case !waiting && (limit < 1 || running < limit):
				d.Begin = append(d.Begin, Begin{s.Name, s.Attempt + 1})
				running++
			}
		}
	}
	if running == 0 && len(d.End) == 0 {
		d.Over = true
		d.State, d.Reason = r.outcome()
	}
	return d
}

// inputs reports whether a step still waits for one it depends on, and why it
// will never get what it needs.
func (s Status) inputs(states map[string]events.StepState) (waiting bool, missing string) {
	for _, name := range s.After {
		switch state := states[name]; state {
		case events.StepCompleted:
		case events.StepFailed, events.StepSkipped, events.StepCancelled:
			return false, because(name, state)
		default:
			waiting = true
		}
	}
	return waiting, ""
}

func because(step string, s events.StepState) string {
	if s == events.StepFailed {
		return step + " failed"
	}
	return fmt.Sprintf("%s was %s", step, s)
}

// outcome says how a run ends whose steps have all ended.
func (r Run) outcome() (events.StepState, string) {
	var failed []string
	for _, s := range r.Steps {
		if s.State == events.StepFailed {
			failed = append(failed, fmt.Sprintf("step %s: %s", s.Name, s.Reason))
		}
	}
	switch {
	case len(failed) > 0 && !r.Cancelling:
		return events.StepFailed, strings.Join(failed, "\n")
	case r.Cancelling && r.left():
		return events.StepCancelled, "cancelled on request"
	case len(failed) > 0:
		return events.StepFailed, strings.Join(failed, "\n")
	}
	return events.StepCompleted, ""
}

// left reports whether a step was kept from being completed by cancellation.
func (r Run) left() bool {
	for _, s := range r.Steps {
		if s.State == events.StepCancelled {
			return true
		}
	}
	return false
}
