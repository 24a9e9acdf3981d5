package boot

import (
	"strings"
	"time"
)

// EventState is what an [Event] tells of its stage.
type EventState string

// Event states.
const (
	Starting EventState = "starting"
	Progress EventState = "progress" // something to show while a stage goes on
	Ready    EventState = "ready"
	Failed   EventState = "failed"
	Stopping EventState = "stopping"
	Stopped  EventState = "stopped"
)

// Event is one step of a boot or teardown, for people to watch. Events are not
// facts: progress is among them.
type Event struct {
	Stage  string
	Index  int // from 1
	Total  int
	State  EventState
	Detail string
	Took   time.Duration // of the stage, where it is ready or stopped
	Err    error         // where it failed
}

// StageError says why a stage did not become ready.
type StageError struct {
	Stage     string
	Err       error
	LastLines []string // of the daemon or service at fault, oldest first
	Fix       string
}

func (e *StageError) Error() string {
	var b strings.Builder
	b.WriteString("stage " + e.Stage + ": " + e.Err.Error())
	if len(e.LastLines) > 0 {
		b.WriteString("\nlast log lines:")
		for _, l := range e.LastLines {
			b.WriteString("\n  " + l)
		}
	}
	if e.Fix != "" {
		b.WriteString("\nfix: " + e.Fix)
	}
	return b.String()
}

func (e *StageError) Unwrap() error { return e.Err }
