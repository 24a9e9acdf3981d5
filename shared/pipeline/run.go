package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"core.internal/shared/events"
)

// Run is what a run's journal adds up to.
type Run struct {
	ID       events.Entity
	Node     events.Node
	Pipeline string
	Params   map[string]string
	Request  events.ID // the request that asked for the run
	Began    time.Time
	// Cancelling is set once it was asked to end early, by the requests Cancels.
	Cancelling bool
	Cancels    []events.ID
	Steps      []Status // in the order of the definition
	// State is running, or how the run ended.
	State  events.StepState
	Ended  time.Time
	Reason string
}

// Status is where one step of a run stands.
type Status struct {
	Step
	State   events.StepState
	Attempt int // how often it began
	Began   time.Time
	Ended   time.Time
	Reason  string
	Result  json.RawMessage // of a completed step
}

// Apply adds one entry of the run's journal. The first entry is events.RunStarted.
func (r Run) Apply(e events.Envelope) (Run, error) {
	body, err := events.Payload(e)
	if err != nil {
		return r, err
	}
	first, isFirst := body.(events.RunStarted)
	switch {
	case isFirst && r.ID != "":
		return r, fmt.Errorf("journal of run %s: it starts twice", r.ID)
	case isFirst:
		return started(e, first), nil
	case r.ID == "":
		return r, fmt.Errorf("journal of run %s: it begins with %s", e.Entity, e.Type)
	}
	r.Steps = slices.Clone(r.Steps)
	switch b := body.(type) {
	case events.StepBegan:
		return r.update(b.Step, func(s *Status) {
			*s = Status{Step: s.Step, State: events.StepRunning, Attempt: b.Attempt, Began: e.Time}
		})
	case events.StepEnded:
		if b.State == events.StepCancelled {
			r.cancel(e)
		}
		return r.update(b.Step, func(s *Status) {
			s.State, s.Ended, s.Reason, s.Result = b.State, e.Time, b.Reason, b.Result
		})
	case events.StepCancelling:
		r.cancel(e)
		return r.update(b.Step, func(*Status) {})
	case events.RunEnded:
		r.State, r.Ended, r.Reason = b.State, e.Time, b.Reason
		return r, nil
	}
	return r, fmt.Errorf("journal of run %s: %s does not belong there", r.ID, e.Type)
}

func started(e events.Envelope, b events.RunStarted) Run {
	r := Run{
		ID: e.Entity, Node: e.Node, Pipeline: b.Pipeline, Params: b.Params,
		Request: e.Cause, Began: e.Time, State: events.StepRunning,
	}
	for _, s := range b.Steps {
		r.Steps = append(r.Steps, Status{Step: Step{Name: s.Name, After: s.After}, State: events.StepPending})
	}
	return r
}

func (r *Run) cancel(e events.Envelope) {
	r.Cancelling = true
	if e.Cause != "" && !slices.Contains(r.Cancels, e.Cause) {
		r.Cancels = append(slices.Clip(r.Cancels), e.Cause)
	}
}

func (r Run) update(step string, change func(*Status)) (Run, error) {
	i := slices.IndexFunc(r.Steps, func(s Status) bool { return s.Name == step })
	if i < 0 {
		return r, fmt.Errorf("journal of run %s: it has no step %q", r.ID, step)
	}
	change(&r.Steps[i])
	return r, nil
}

// Interrupted returns the run as its next coordinator finds it: steps that were
// going on have to begin again.
func (r Run) Interrupted() Run {
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		if s.State == events.StepRunning {
			r.Steps[i].State = events.StepPending
		}
	}
	return r
}

// Over reports whether the run has ended.
func (r Run) Over() bool { return r.State != events.StepRunning }

// Result looks up the result of a completed step.
func (r Run) Result(step string) (json.RawMessage, bool) {
	for _, s := range r.Steps {
		if s.Name == step && s.State == events.StepCompleted {
			return s.Result, true
		}
	}
	return nil, false
}

// Statuses returns the steps as the run's facts show them.
func (r Run) Statuses() []events.StepStatus {
	all := make([]events.StepStatus, 0, len(r.Steps))
	for _, s := range r.Steps {
		status := events.StepStatus{Name: s.Name, After: s.After, State: s.State, Reason: s.Reason}
		if !s.Began.IsZero() {
			status.Began = &s.Began
		}
		if !s.Ended.IsZero() {
			status.Ended = &s.Ended
		}
		all = append(all, status)
	}
	return all
}

// Statuses returns the steps of a run that is about to start.
func (g Graph) Statuses() []events.StepStatus {
	all := make([]events.StepStatus, 0, len(g))
	for _, s := range g {
		all = append(all, events.StepStatus{Name: s.Name, After: s.After, State: events.StepPending})
	}
	return all
}
