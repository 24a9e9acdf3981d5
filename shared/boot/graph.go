package boot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// stage is one node of the boot graph. up returns when what the stage promises
// is there; down, which may be nil, when nothing of it is left.
type stage struct {
	name     string
	up, down func(context.Context) error
	daemon   events.Source // whose log lines explain a failure; may be empty
	// patient stages may take longer than stage.timeout: they build binaries.
	patient bool
}

// Stages names the stages in order.
func Stages() []string {
	var names []string
	for _, s := range (&Node{}).graph() {
		names = append(names, s.name)
	}
	return names
}

func (n *Node) graph() []stage {
	return []stage{
		{name: "config", up: n.upConfig, down: n.downConfig, patient: true},
		{name: "bus", up: n.upBus, down: n.downBus, daemon: events.Busd},
		{name: "edge", up: n.upEdge, down: n.downDaemon(events.Caddyd), daemon: events.Caddyd},
		{name: "controller", up: n.upController, down: n.downController, daemon: events.Procd},
		{name: "pipelines", up: n.upPipelines, down: n.downDaemon(events.Pipelined), daemon: events.Pipelined},
		{name: "services", up: n.upServices, down: n.downServices},
		{name: "shells", up: n.upShells},
	}
}

// bringUp takes the stages in order and returns how many were begun.
func (n *Node) bringUp(ctx context.Context, stages []stage) (int, error) {
	for i, s := range stages {
		began := time.Now()
		n.state(s, events.StageStarting{Index: i + 1})
		n.tell(Event{State: Starting}, stages, i)
		err := n.within(ctx, s, s.up)
		took := time.Since(began)
		if err != nil && context.Cause(ctx) == errAsked {
			err = &StageError{Err: errAsked} // whatever of it the stage met
		}
		if err != nil {
			failure := n.failure(s, err)
			n.state(s, events.StageFailed{Index: i + 1, Reason: failure.Err.Error(), Fix: failure.Fix, LastLines: failure.LastLines})
			n.tell(Event{State: Failed, Took: took, Err: failure}, stages, i)
			return i + 1, failure
		}
		n.summary.Stages = append(n.summary.Stages, StageTime{s.name, took})
		n.state(s, events.StageReady{Index: i + 1, TookMS: milliseconds(took)})
		n.tell(Event{State: Ready, Took: took}, stages, i)
	}
	// Who is told that the node is up sees that in its state.
	last := events.Entity(stages[len(stages)-1].name)
	_, err := n.view.Wait(ctx, func(s state.State) bool { return s.Stages[last].State == state.StageReady })
	if err != nil && context.Cause(ctx) == errAsked {
		err = errAsked
	}
	return len(stages), err
}

// takeDown takes the stages in reverse. Where ctx ends meanwhile it leaves the rest as
// it is.
func (n *Node) takeDown(ctx context.Context, stages []stage, asked *bus.Command) error {
	var errs []error
	for i := len(stages) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err, n.letGo())...)
		}
		s := stages[i]
		began := time.Now()
		n.state(s, events.StageStopping{Index: i + 1})
		n.tell(Event{State: Stopping}, stages, i)
		if s.name == "bus" && asked != nil {
			// The last moment at which the outcome can be stated.
			n.facts.State(asked.Entity, events.CommandCompleted{Verb: asked.Type.Verb()}, asked.ID)
		}
		if s.down != nil {
			if err := s.down(ctx); err != nil {
				errs = append(errs, fmt.Errorf("take down stage %s: %w", s.name, err))
			}
		}
		took := time.Since(began)
		n.state(s, events.StageStopped{Index: i + 1, TookMS: milliseconds(took)})
		n.tell(Event{State: Stopped, Took: took}, stages, i)
	}
	return errors.Join(errs...)
}

func (n *Node) within(ctx context.Context, s stage, up func(context.Context) error) error {
	if s.patient {
		return up(ctx)
	}
	limit := n.Config.StageTimeout
	cause := fmt.Errorf("not ready within %s (stage.timeout)", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	err := up(ctx)
	if err == nil || context.Cause(ctx) != cause || errors.Is(err, cause) {
		return err
	}
	var known *StageError
	if errors.As(err, &known) {
		known.Err = fmt.Errorf("%w: %w", cause, known.Err)
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

func (n *Node) state(s stage, body events.Body) {
	n.facts.State(events.Entity(s.name), body, n.boot)
}

func (n *Node) tell(e Event, stages []stage, i int) {
	e.Stage, e.Index, e.Total = stages[i].name, i+1, len(Stages())
	n.Progress(e)
}

// detail tells what the stage that is going on does.
func (n *Node) detail(name, text string) {
	names := Stages()
	i := slices.Index(names, name)
	n.Progress(Event{Stage: name, Index: i + 1, Total: len(names), State: Progress, Detail: text})
}

// failure adds to an error what explains it.
func (n *Node) failure(s stage, err error) *StageError {
	var known *StageError
	if errors.As(err, &known) {
		known.Stage = s.name
		return known
	}
	failure := &StageError{Stage: s.name, Err: err}
	if s.daemon != "" && n.sup != nil {
		failure.LastLines = n.lastLines(s.daemon)
	}
	return failure
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
