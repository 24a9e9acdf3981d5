package supervisor

import (
	"strings"
	"time"

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
	if f.running != nil {
		s.adopt(u, f.running, prior)
		return
	}
	switch {
	case f.resume && f.newer(prior):
		s.catchUp(u, prior, f)
	case had:
		s.recall(u, prior, f)
	}
}

// newer reports whether the instance that the runner knows was started after all that
// prior tells.
func (f found) newer(prior state.Service) bool {
	if f.ended == nil || f.is(prior.Instance) || prior.LastExit != nil && f.is(prior.LastExit.Instance) {
		return false
	}
	return f.note.Restarts >= prior.Restarts
}

// is reports whether the runner's is the instance of that name.
func (f found) is(instance string) bool { return f.ended != nil && f.ended.Instance() == instance }

// catchUp states what the bus does not know of the instance that the runner knows, and
// goes on from its end.
func (s *Supervisor) catchUp(u *unit, prior state.Service, f found) {
	if prior.Alive() {
		s.state(u, events.ServiceExited{Instance: prior.Instance, PID: prior.PID, Code: -1, Unknown: true})
	}
	u.restarts, u.answered, u.kept = f.note.Restarts, f.note.Request, f.note.Ports
	u.count(f.note.Due)
	s.state(u, events.ServiceStarting{Instance: f.ended.Instance(), Restarts: u.restarts})
	s.recallEnd(u, state.Service{State: state.ServiceStarting, Instance: f.ended.Instance(), Ports: u.kept}, f)
}

// owe sees to it that an instance which was about to be started is started, without
// another being counted.
func (s *Supervisor) owe(u *unit) {
	if u.schedule != nil {
		u.next = s.opt.Now()
	}
}

// recordEnd lets the restart policy know of an end that was stated, or cannot be any
// more.
func (s *Supervisor) recordEnd(u *unit, x process.Exit, e process.End) {
	e.At, e.OK = s.opt.Now(), x.OK()
	e.Reason = state.ExitReason(events.ServiceExited{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown})
	u.history = u.policy.Record(u.history, e)
}

// adopt takes over a process that runs.
func (s *Supervisor) adopt(u *unit, p process.Process, prior state.Service) {
	n, err := noteOf(p)
	if err != nil {
		s.opt.Log.Warn("a service was adopted without what is known of it: its ports and health check come back with its next start",
			"service", u.id, "pid", p.PID(), "error", err)
	}
	u.proc, u.instance, u.state = p, p.Instance(), state.ServiceRunning
	u.restarts, u.answered, u.kept, u.ran = n.Restarts, n.Request, n.Ports, u.spec
	u.built = Built{Ports: n.Ports, Routes: n.Routes, Checks: n.Checks}
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
	}
	switch {
	case prior.Alive():
		s.recallEnd(u, prior, f)
	case !f.resume && prior.State != state.ServiceIdle && prior.State != state.ServiceStopped:
		u.state = state.ServiceExited // a new boot begins anew
	default:
		u.state = prior.State
		switch x := prior.LastExit; prior.State {
		case state.ServiceFailed, state.ServiceCompleted:
			u.answered = u.desired.Restart
		case state.ServiceExited, state.ServiceBackoff, state.ServiceWaiting:
			if x != nil && f.resume {
				exit := process.Exit{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown}
				s.recordEnd(u, exit, process.End{HealthySince: prior.HealthyAt, Expected: x.Expected && !done(u.spec, exit)})
			}
		}
	}
}

// recallEnd takes the end of an instance that was there when an earlier supervisor was.
// What follows an end may not be done.
func (s *Supervisor) recallEnd(u *unit, prior state.Service, f found) {
	pid, exit := prior.PID, process.Exit{Code: -1, Unknown: true}
	if f.is(prior.Instance) {
		pid, exit = f.ended.PID(), f.ended.Exit()
	}
	stopped := prior.State == state.ServiceStopping && !strings.HasPrefix(prior.Reason, state.Ended)
	fact := events.ServiceExited{
		Instance: prior.Instance, PID: pid, Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown,
		Expected: stopped || done(u.spec, exit), LastLines: exit.LastLines,
	}
	if pid == 0 && !stopped {
		fact.Expected, fact.Unknown, fact.Reason = true, false, "its supervisor was gone before it ran"
	}
	end := process.End{At: s.opt.Now(), OK: exit.OK(), Reason: state.ExitReason(fact), HealthySince: prior.HealthyAt, Expected: stopped}
	over := func() {
		u.state, u.lastLines = state.ServiceExited, exit.LastLines
		switch {
		case !f.resume:
		case pid == 0 && !stopped:
			s.owe(u)
		default:
			u.history = u.policy.Record(u.history, end)
		}
		u.cause = s.state(u, fact).ID
	}
	if !f.resume || pid == 0 {
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
