package events

import (
	"encoding/json"
	"time"
)

// StepState is where a step of a pipeline run stands.
type StepState string

// States of a step; a run ends in one of the last four.
const (
	StepPending   StepState = "pending"
	StepRunning   StepState = "running"
	StepCompleted StepState = "completed"
	StepFailed    StepState = "failed"
	StepSkipped   StepState = "skipped"
	StepCancelled StepState = "cancelled"
)

// StepStatus is one step as a run's facts show it.
type StepStatus struct {
	Name   string     `json:"name"`
	After  []string   `json:"after,omitempty"`
	State  StepState  `json:"state"`
	Began  *time.Time `json:"began,omitempty"`
	Ended  *time.Time `json:"ended,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// Facts that pipelined states about a run; the entity is the run.
type (
	// RunStarted says that a run of a pipeline began.
	RunStarted struct {
		Pipeline string            `json:"pipeline"`
		Params   map[string]string `json:"params,omitempty"`
		Steps    []StepStatus      `json:"steps"`
		Resumed  bool              `json:"resumed,omitempty"`
	}
	// RunAdvanced shows every step after one of them changed.
	RunAdvanced struct {
		Pipeline string       `json:"pipeline"`
		Steps    []StepStatus `json:"steps"`
	}
	// RunEnded is a run's last fact.
	RunEnded struct {
		Pipeline string       `json:"pipeline"`
		State    StepState    `json:"state"` // completed, failed or cancelled
		Reason   string       `json:"reason,omitempty"`
		Steps    []StepStatus `json:"steps"`
	}
)

// The journal of a run, on [StreamRuns], between its [RunStarted] and its
// [RunEnded]; from it an interrupted run resumes.
type (
	// StepBegan is the intent to carry out a step.
	StepBegan struct {
		Pipeline string `json:"pipeline"`
		Step     string `json:"step"`
		Attempt  int    `json:"attempt"`
	}
	// StepCancelling is the intent to end a running step because its run was
	// cancelled; the cause is the request.
	StepCancelling struct {
		Pipeline string `json:"pipeline"`
		Step     string `json:"step"`
	}
	// StepEnded is a step's outcome.
	StepEnded struct {
		Pipeline string          `json:"pipeline"`
		Step     string          `json:"step"`
		State    StepState       `json:"state"`
		Reason   string          `json:"reason,omitempty"`
		Result   json.RawMessage `json:"result,omitempty"` // what later steps may read
	}
)

func (RunStarted) EventType() Type     { return "run.started" }
func (RunAdvanced) EventType() Type    { return "run.advanced" }
func (RunEnded) EventType() Type       { return "run.ended" }
func (StepBegan) EventType() Type      { return "step.began" }
func (StepCancelling) EventType() Type { return "step.cancelling" }
func (StepEnded) EventType() Type      { return "step.ended" }

func (RunStarted) EventVersion() int     { return 1 }
func (RunAdvanced) EventVersion() int    { return 1 }
func (RunEnded) EventVersion() int       { return 1 }
func (StepBegan) EventVersion() int      { return 1 }
func (StepCancelling) EventVersion() int { return 1 }
func (StepEnded) EventVersion() int      { return 1 }
