package supervisor

import (
	"strings"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/state"
)

// take takes over what is there of a service that is new here.
//
// Two tell how often it was started again and how it ended: the bus, which may lack
// what was stated last, or all of it, and the runner's record of the last instance
// that was about to be started, which is there whatever became of the supervisor.
func (s *Supervisor) take(u *unit, f found) {
	prior, had := s.before(u.id)
	if n := f.note.Request; f.resume && n != "" && u.desired.Restart != n && (u.desired.Restart == "" || u.desired.Restart == prior.Answers) {
		u.desired.Restart = n // the bus has lost that somebody asked for this instance
		s.state(u, u.desired)
	}
	switch {
	case f.running != nil:
		s.adopt(u, f, prior)
	case f.resume && f.newer(prior):
		s.catchUp(u, prior, f)
	case had:
		s.recall(u, prior, f)
	}
}

// newer reports whether the last instance was started after all that prior tells. What
// is only registered may have been so by a supervisor that did not come to say more.
func (f found) newer(prior state.Service) bool {
	if f.ended == nil || f.known(prior) {
		return false
	}
	return prior.State == "" || prior.State == state.ServiceIdle || f.note.Intended.After(prior.Since)
}

// known reports whether prior tells of the last instance.
func (f found) known(prior state.Service) bool {
	return f.is(prior.Instance) || prior.LastExit != nil && f.is(prior.LastExit.Instance)
}

// is reports whether the last instance has that name.
func (f found) is(instance string) bool { return f.ended != nil && f.ended.Instance() == instance }

// catchUp states what the bus does not know of the last instance, and goes on from its
// end.
func (s *Supervisor) catchUp(u *unit, prior state.Service, f found) {
	if prior.Alive() {
		s.state(u, events.ServiceExited{Instance: prior.Instance, PID: prior.PID, Code: -1, Unknown: true})
	}
	u.restarts, u.answered, u.kept, u.history = f.note.Restarts, f.note.Request, f.note.Ports, f.note.History
	u.count(f.note.Due)
	s.state(u, events.ServiceStarting{Instance: f.ended.Instance(), Restarts: u.restarts})
	s.recallEnd(u, state.Service{State: state.ServiceStarting, Instance: f.ended.Instance(), Ports: u.kept}, f)
}

// owe has the start made that was announced and came to nothing. It is counted already.
func (s *Supervisor) owe(u *unit) {
	u.history.Ended = false
	if u.schedule != nil {
		u.next = s.opt.Now()
	}
}

// recordEnd lets the restart policy know of an end that was stated.
func (s *Supervisor) recordEnd(u *unit, x events.ServiceExited, e process.End) {
	e.OK = exitOf(x).OK() && !strings.HasPrefix(e.Reason, state.Unhealthy)
	if e.Reason == "" {
		e.Reason = state.ExitReason(x)
	}
	e.Unstarted = x.PID == 0
	u.history = u.policy.Record(u.history, e)
}

func exitOf(x events.ServiceExited) process.Exit {
	return process.Exit{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown}
}

// adopt takes over a process that runs.
func (s *Supervisor) adopt(u *unit, f found, prior state.Service) {
	p, n := f.running, f.note
	u.proc, u.instance, u.state = p, p.Instance(), state.ServiceRunning
	u.restarts, u.answered, u.kept, u.ran = n.Restarts, n.Request, n.Ports, u.spec
	u.built, u.history = Built{Ports: n.Ports, Routes: n.Routes, Checks: n.Checks}, n.History
	if prior.Instance == u.instance {
		switch prior.Health {
		case state.HealthHealthy:
			u.health, u.since = state.HealthHealthy, prior.HealthyAt
		case state.HealthUnready:
			u.health, u.detail = state.HealthUnready, prior.Reason
		}
	}
	s.watch(u, p)
	s.state(u, events.ServiceStarted{
		Instance: u.instance, PID: p.PID(), Restarts: u.restarts, Ports: n.Ports, Routes: n.Routes, Adopted: true, Restart: u.answered,
		Unenforced: unenforced(p),
	})
	s.opt.Log.Info("service adopted", "service", u.id, "pid", p.PID())
	s.check(u)
	if !u.gone {
		s.reroute(u)
	}
	u.count(n.Due)
	if u.replaces() {
		u.due(u.schedule.Next(s.opt.Now()))
	}
}

// recall goes on from what the bus knows of a service that does not run.
func (s *Supervisor) recall(u *unit, prior state.Service, f found) {
	u.kept = prior.Ports
	if f.resume {
		u.restarts, u.answered = max(prior.Restarts, f.note.Restarts), prior.Answers
		u.count(dueOf(prior, f))
		if f.known(prior) && prior.State != state.ServiceStopped {
			u.answered, u.history = f.note.Request, f.note.History
		}
	}
	switch {
	case prior.Alive():
		s.recallEnd(u, prior, f)
		return
	case !f.resume && prior.State != state.ServiceIdle && prior.State != state.ServiceStopped:
		u.state = state.ServiceExited // a new boot begins anew
		return
	}
	switch u.state = prior.State; prior.State {
	case state.ServiceFailed, state.ServiceCompleted:
		if !f.known(prior) {
			u.answered = u.desired.Restart
		}
	case state.ServiceScheduled:
		if prior.Until.After(s.opt.Now()) {
			u.next = prior.Until
		}
	case state.ServiceExited, state.ServiceBackoff, state.ServiceWaiting:
		if f.resume {
			s.recallLast(u, prior)
		}
	}
}

// recallLast goes on from the end that the bus knows of a service that is to be started
// again.
func (s *Supervisor) recallLast(u *unit, prior state.Service) {
	x, waits := prior.LastExit, prior.State == state.ServiceWaiting
	switch {
	case x == nil && waits, x != nil && x.Reason == unmade:
		s.owe(u)
	case x == nil:
	case waits && u.schedule != nil && (exitOf(*x).OK() || x.Expected):
		s.owe(u) // that was another run
	case prior.State == state.ServiceBackoff: // which no end leads to that somebody asked for
		s.recordEnd(u, *x, process.End{At: s.then(prior.Since), Reason: prior.Reason})
	default:
		s.recordEnd(u, *x, process.End{At: s.then(prior.Since), Expected: x.Expected && !done(u.spec, exitOf(*x))})
	}
}

// then is a time of something that was: now where nobody knows it.
func (s *Supervisor) then(at time.Time) time.Time {
	if now := s.opt.Now(); at.IsZero() || at.After(now) {
		return now
	}
	return at
}

// unmade is the reason of an end without a beginning: the start was announced and has
// yet to be made.
const unmade = "its supervisor was gone before it ran"

// recallEnd takes the end of an instance that was there when an earlier supervisor was.
// What follows an end may not be done.
func (s *Supervisor) recallEnd(u *unit, prior state.Service, f found) {
	pid, exit, followed := prior.PID, process.Exit{Code: -1, Unknown: true}, false
	if f.is(prior.Instance) {
		pid, exit, followed = f.ended.PID(), f.ended.Exit(), f.followed()
	}
	stopping := prior.State == state.ServiceStopping && !strings.HasPrefix(prior.Reason, state.Ended)
	sick := stopping && strings.HasPrefix(prior.Reason, state.Unhealthy)
	asked := stopping && !sick || !u.desired.Running
	fact := events.ServiceExited{
		Instance: prior.Instance, PID: pid, Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown,
		Expected: asked || sick || done(u.spec, exit), LastLines: exit.LastLines,
	}
	unstarted := pid == 0 && !asked
	if unstarted {
		fact.Expected, fact.Unknown, fact.Reason = true, false, unmade
	}
	end := process.End{At: s.then(exit.Time), OK: exit.OK() && !sick, Reason: state.ExitReason(fact), HealthySince: prior.HealthyAt, Expected: asked}
	if sick {
		end.Reason = prior.Reason
	}
	over := func() {
		u.state, u.lastLines = state.ServiceExited, exit.LastLines
		switch {
		case !f.resume:
		case unstarted, stopping && prior.Reason == controller.NextRunDue:
			s.owe(u)
		default:
			u.history = u.policy.Record(u.history, end)
		}
		u.cause = s.state(u, fact).ID
	}
	if !f.resume || pid == 0 || followed {
		over()
		return
	}
	u.state, u.instance = prior.State, prior.Instance
	s.after(u, u.spec, prior.Ports, exit, over)
}

// dueOf is a time for which a service's run was scheduled, as far as that is known.
func dueOf(prior state.Service, f found) time.Time {
	if prior.State == state.ServiceScheduled || !f.is(prior.Instance) {
		return prior.Until
	}
	return f.note.Due
}
