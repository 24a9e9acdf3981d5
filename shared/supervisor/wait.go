package supervisor

import (
	"context"
	"fmt"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Wait returns the first state for which ok holds.
func (s *Supervisor) Wait(ctx context.Context, ok func(state.State) bool) (state.State, error) {
	for {
		s.mu.Lock()
		st, changed := s.fold.State(), s.changed
		s.mu.Unlock()
		if ok(st) {
			return st, nil
		}
		if err := s.next(ctx, changed); err != nil {
			return st, err
		}
	}
}

// WaitService is Wait for one service, without the cost of whole states. It
// fails where the service is not registered.
func (s *Supervisor) WaitService(ctx context.Context, id events.Entity, ok func(state.Service) bool) (state.Service, error) {
	for {
		v, known, changed := s.peek(id)
		if !known {
			return v, &UnknownError{id}
		}
		if ok(v) {
			return v, nil
		}
		if err := s.next(ctx, changed); err != nil {
			return v, err
		}
	}
}

func (s *Supervisor) next(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ended:
		select {
		case <-changed:
			return nil
		default:
			return ErrEnded
		}
	}
}

// Goal is what was asked of a service.
type Goal struct {
	Running bool
	// Request, where it is not empty, is the restart request that the instance
	// must answer.
	Request events.ID
}

// FailedError says why what was asked of a service did not come about.
type FailedError struct {
	ID     events.Entity
	Reason string
}

func (e *FailedError) Error() string { return fmt.Sprintf("service %s: %s", e.ID, e.Reason) }

// Await returns when what was asked of a service has come about: it is healthy;
// or has completed its work, if it is a oneshot; or is scheduled, if it is a cron
// job, after the run that the request asked for; or it is down. It fails with a [*FailedError] when
// that will not happen without an operator.
func (s *Supervisor) Await(ctx context.Context, id events.Entity, g Goal) error {
	for {
		v, known, changed := s.peek(id)
		if !known {
			return &FailedError{id, "it is not registered any more"}
		}
		done, reason := g.reached(v)
		if !done && reason == "" && v.State == state.ServiceWaiting {
			on, stuck, err := s.Missing(ctx, id)
			if err != nil {
				return err
			}
			if stuck {
				reason = "waiting for " + strings.Join(on, ", ")
			}
		}
		switch {
		case done:
			return nil
		case reason != "":
			return &FailedError{id, reason}
		}
		if err := s.next(ctx, changed); err != nil {
			return fmt.Errorf("wait for service %s: %w", id, err)
		}
	}
}

// reached reports whether the goal is reached, or why it will not be.
func (g Goal) reached(v state.Service) (bool, string) {
	switch {
	case v.Desired.Running != g.Running, g.Request != "" && v.Desired.Restart != g.Request:
		return false, "a later request took its place"
	case !g.Running:
		return !v.Alive() && (v.State == state.ServiceStopped || v.State == state.ServiceIdle), ""
	case v.State == state.ServiceFailed && v.Registered.Schedule == "":
		return false, v.Reason
	case v.State == state.ServiceScheduled && v.Answers != g.Request && g.Request != "":
		return false, "" // the run that was asked for is about to begin
	case v.State == state.ServiceScheduled && g.Request != "" && v.Reason != "":
		return false, v.Reason
	case v.State == state.ServiceScheduled:
		return true, ""
	case v.State == state.ServiceStopped: // it is wanted, but all is drained
		return false, v.Reason
	case v.State == state.ServiceCompleted && v.Registered.Schedule == "":
		return true, ""
	case v.Registered.Type != "": // it is to end, or to be scheduled
		return false, ""
	}
	return v.Serving() && (g.Request == "" || v.Answers == g.Request), ""
}
