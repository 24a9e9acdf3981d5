package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/state"
)

// lastResort is how long a killed process may take to be gone before Run gives
// up on it.
const lastResort = 5 * time.Second

// Run supervises until ctx ends, then stops everything in reverse order, kills
// what is left after [Options.StopTimeout], and returns when all is gone. It
// returns nil then, and an error only where something could not be ended. Where
// the cause of ctx's end is [ErrLeave] it stops nothing.
func (s *Supervisor) Run(ctx context.Context) error {
	s.life, s.kill = context.WithCancel(context.WithoutCancel(ctx))
	probing, stopProbing := context.WithCancel(s.life)
	var probes sync.WaitGroup
	probes.Go(func() { s.prober.Run(probing) })
	err := s.loop(ctx)
	s.mail.close()
	s.kill()
	stopProbing()
	probes.Wait()
	if err == nil {
		s.work.Wait()
	}
	close(s.ended)
	return err
}

// breath is how long after a decision that took so long the next may wait while more is
// to be started than can be at once: each looks at all services.
func breath(took time.Duration) time.Duration {
	return min(max(20*took, 5*time.Millisecond), 50*time.Millisecond)
}

// longestWait is after how long the clock is looked at where something is to
// happen at a certain time.
const longestWait = time.Minute

func (s *Supervisor) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	asked := ctx.Done()
	var deadline <-chan time.Time
	killed := false
	var batch []func()
	var rested time.Time // when decisions need not wait any more
	for {
		select {
		case <-s.mail.ready:
		case <-timer.C:
		case <-asked:
			if errors.Is(context.Cause(ctx), ErrLeave) {
				close(s.leave)
				return nil
			}
			asked = nil
			if s.draining == "" {
				s.draining = fmt.Sprintf("%s ends", s.opt.Source)
			}
			deadline = time.After(s.opt.StopTimeout)
		case <-deadline:
			if killed {
				return fmt.Errorf("stop everything: not gone %s after it was killed: %s", lastResort, join(s.alive(s.State())))
			}
			killed, deadline = true, time.After(lastResort)
			s.opt.Log.Warn("killing what did not end in time", "services", join(s.alive(s.State())))
			s.kill()
		}
		batch = s.mail.take(batch)
		for _, f := range batch {
			f()
		}
		began := time.Now()
		if began.Before(rested) && len(s.jobs) > 0 && len(s.asked) == 0 && asked != nil {
			timer.Reset(rested.Sub(began))
			continue
		}
		next := s.decide()
		rested = time.Now().Add(breath(time.Since(began)))
		s.startJobs()
		s.broadcast()
		for _, done := range s.asked {
			close(done)
		}
		s.asked = s.asked[:0]
		if asked == nil && s.idle() {
			return nil
		}
		wait := time.Hour
		if !next.IsZero() {
			// The clock may be set, or the machine sleep, while a timer runs.
			wait = min(max(0, next.Sub(s.opt.Now())), longestWait)
		}
		timer.Reset(wait)
	}
}

// crowd has facts kept back while starts wait, because more is to be started than can
// be at once. It is told before the first facts of a crowd are stated.
func (s *Supervisor) crowd(waiting int) {
	crowded := waiting > 0
	if s.opt.Hold != nil && (crowded || s.crowded) {
		s.opt.Hold(crowded)
	}
	s.crowded = crowded
}

// starts is how many of the actions start an instance.
func starts(actions []controller.Action) (n int) {
	for _, a := range actions {
		if a.Verb == controller.Start {
			n++
		}
	}
	return n
}

// idle reports whether no unit has, or may yet have, a process.
func (s *Supervisor) idle() bool {
	for _, u := range s.units {
		if u.alive() {
			return false
		}
	}
	return s.starting == 0
}

// decide asks the controller and carries out what it says.
func (s *Supervisor) decide() time.Time {
	now := s.opt.Now()
	in := s.observe()
	if s.graph == nil {
		s.graph = controller.NewGraph(in)
	}
	actions, next := s.graph.Decide(now, in)
	s.crowd(len(s.jobs) + starts(actions) + s.starting - slots)
	for _, a := range actions {
		s.act(s.byID[events.Entity(a.ID)], a)
	}
	return next
}

// observe returns the controller's inputs: conditions, then units.
func (s *Supervisor) observe() []controller.Input {
	in := s.inputs[:0]
	held := s.opt.Gate != "" && !s.met[s.opt.Gate]
	for _, name := range s.conditions {
		in = append(in, controller.Input{ID: name, Condition: true, Met: s.met[name]})
	}
	for _, u := range s.units {
		in = append(in, u.input(held, s.draining))
	}
	s.inputs = in
	return in
}

func (s *Supervisor) act(u *unit, a controller.Action) {
	if a.Verb != controller.Wait {
		u.waited = nil
	}
	switch a.Verb {
	case controller.Start:
		s.start(u, a)
	case controller.Stop:
		s.stop(u, a)
	case controller.Wait:
		u.state, u.waited = state.ServiceWaiting, a.Keys
		s.state(u, events.ServiceWaiting{On: a.On, Reason: a.Reason})
	case controller.Schedule:
		u.state = state.ServiceScheduled
		u.due(a.Next)
		s.state(u, events.ServiceScheduled{Next: a.Next.UTC(), Reason: a.Reason, Restart: u.answered})
	case controller.BackOff:
		u.state = state.ServiceBackoff
		s.state(u, events.ServiceBackedOff{Until: a.Until.UTC(), Restarts: u.restarts, Reason: a.Reason})
	case controller.Complete:
		u.state = state.ServiceCompleted
		s.rest(u)
		s.state(u, events.ServiceCompleted{Instance: u.instance})
	case controller.Fail:
		u.state, u.answered = state.ServiceFailed, a.Request
		s.rest(u)
		s.state(u, events.ServiceExhausted{Reason: a.Reason, LastLines: u.lastLines})
		s.opt.Log.Warn("service failed", "service", u.id, "reason", a.Reason)
	case controller.Settle:
		u.state, u.history = state.ServiceStopped, process.History{}
		u.due(time.Time{})
		u.count(time.Time{})
		s.rest(u)
		if f, ok := s.opt.Runner.(process.Finder); ok {
			if err := f.Forget(string(u.id)); err != nil {
				s.opt.Log.Warn("forgetting what ran", "service", u.id, "error", err)
			}
		}
		s.state(u, events.ServiceStopped{Reason: a.Reason})
	}
	if u.gone && !u.alive() {
		s.forget(u)
	}
}

// rest gives up what a service has while it runs, or is about to run again.
func (s *Supervisor) rest(u *unit) {
	if s.opt.Gone != nil {
		s.opt.Gone(u.id)
	}
}

// state states a fact about a unit and folds it.
func (s *Supervisor) state(u *unit, b events.Body) events.Envelope {
	e := s.opt.Facts.State(u.id, b, u.cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fold.Fold(e)
	s.stated = true
	return e
}

func (s *Supervisor) broadcast() {
	if !s.stated {
		return
	}
	s.stated = false
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func join(ids []string) string {
	if len(ids) == 0 {
		return "nobody"
	}
	return strings.Join(ids, ", ")
}
