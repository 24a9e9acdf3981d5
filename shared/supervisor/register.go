package supervisor

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// found is what a runner knows of a service from before.
type found struct {
	running process.Process // adopted; nil if none
	ended   process.Process // nil if none
}

// Register makes services known, in dependency order, and takes over those that
// run already. It returns when that has been stated; what Prior says of a service is
// not stated again in the same boot of the node. A service that was
// registered before has the new spec from its next start on.
func (s *Supervisor) Register(ctx context.Context, specs []spec.Located) error {
	finds := make(map[events.Entity]found, len(specs))
	for _, l := range specs {
		f, err := s.find(ctx, string(l.ID))
		if err != nil {
			return fmt.Errorf("register %s: %w", l.ID, err)
		}
		finds[events.Entity(l.ID)] = f
	}
	return s.do(ctx, func() {
		// Step by step for all: the facts about one service wait for each other's
		// acknowledgement, those about different ones travel together.
		var entered []*unit
		for _, l := range inOrder(specs) {
			if u := s.enter(l, false); u != nil {
				entered = append(entered, u)
			}
		}
		for _, u := range entered {
			s.want(u, finds[u.id])
		}
		for _, u := range entered {
			s.take(u, finds[u.id])
		}
		s.sort()
	})
}

func (s *Supervisor) find(ctx context.Context, id string) (found, error) {
	p, err := s.opt.Runner.Adopt(ctx, id)
	if err != nil || p != nil {
		return found{running: p}, err
	}
	if f, ok := s.opt.Runner.(process.Finder); ok {
		return found{ended: f.Ended(id)}, nil
	}
	return found{}, nil
}

// register is one service's Register, in Run's goroutine. replaced says that a
// running instance is about to be replaced.
func (s *Supervisor) register(l spec.Located, f found, replaced bool) {
	if u := s.enter(l, replaced); u != nil {
		s.want(u, f)
		s.take(u, f)
	}
}

// enter makes a service known and returns it; nil where it was known and is renewed.
func (s *Supervisor) enter(l spec.Located, replaced bool) *unit {
	id := events.Entity(l.ID)
	u, known := s.byID[id]
	was := spec.Located{}
	if known {
		was, u.gone = u.spec, false
	}
	if !known {
		u = &unit{id: id, state: state.ServiceIdle, health: state.HealthUnknown, stopped: true}
		s.byID[id] = u
		s.units = append(s.units, u)
	}
	u.spec, u.deps, u.policy, u.unusable = l, l.Dependencies, s.opt.Policy(l), ""
	u.schedule, u.next = nil, time.Time{}
	if l.Process.Type == spec.TypeCron {
		var err error
		if u.schedule, err = l.Process.Timetable(); err != nil {
			u.unusable = err.Error()
		}
		if scheduleOf(l) != scheduleOf(was) {
			u.anchor = time.Time{}
		}
		u.count(u.anchor)
	}
	fact := events.ServiceRegistered{
		Name: nameOf(l), Description: l.Description, Icon: l.Icon, Digest: l.Digest, Required: l.Required,
		Dependencies: l.DependsOn(), ReplicaOf: string(l.ReplicaOf), Profiles: l.Profiles, Routes: l.PublicRoutes(),
		Reload: string(l.Process.ReloadSignal), Type: typeOf(l), Schedule: scheduleOf(l),
	}
	if prior, had := s.before(id); known || !had || !s.opt.Resume || !reflect.DeepEqual(prior.Registered, fact) {
		s.state(u, fact)
	}
	if known {
		s.renew(u, was, replaced)
		return nil
	}
	return u
}

// want decides what is wanted of a service that is new here.
func (s *Supervisor) want(u *unit, f found) {
	prior, had := s.before(u.id)
	u.desired = s.opt.Want(u.spec)
	if f.running != nil && !(had && prior.Instance == f.running.Instance()) && !s.opt.Decided(u.spec) {
		u.desired.Running = true // it runs because somebody wanted it
	}
	if had && prior.Desired != u.desired || !(had && s.opt.Resume) && u.desired != (events.ServiceDesired{}) {
		s.state(u, u.desired)
	}
}

// take takes over what is there of a service that is new here.
func (s *Supervisor) take(u *unit, f found) {
	prior, had := s.before(u.id)
	switch {
	case f.running != nil:
		s.adopt(u, f.running, prior)
	case had:
		s.recall(u, prior, f.ended)
	}
	if f.ended != nil && s.opt.Resume {
		s.recount(u, f.ended, had)
	}
}

// recount goes on from the last instance that was started, where its facts are
// lost: with the memory of the bus, or with a supervisor that was killed before they
// had left. known says that the bus has others.
func (s *Supervisor) recount(u *unit, ended process.Process, known bool) {
	n, err := noteOf(ended)
	if err != nil {
		s.opt.Log.Warn("restarts of a service are not counted", "service", u.id, "error", err)
		return
	}
	if known && n.Restarts <= u.restarts {
		return
	}
	u.restarts, u.answered = n.Restarts, n.Request
	// That a run which went well is done has been forgotten: the next is another run.
	if exit := ended.Exit(); !known && !done(u.spec, exit) {
		s.recordEnd(u, exit, process.End{})
	}
}

// recordEnd lets the restart policy know of an end that was stated, or cannot be any
// more.
func (s *Supervisor) recordEnd(u *unit, x process.Exit, e process.End) {
	e.At, e.OK = s.opt.Now(), x.OK()
	e.Reason = state.ExitReason(events.ServiceExited{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown})
	u.history = u.policy.Record(u.history, e)
}

// typeOf is the process's type where it is not the usual one.
func typeOf(l spec.Located) string {
	if l.Process.Type == spec.TypeService {
		return ""
	}
	return string(l.Process.Type)
}

func scheduleOf(l spec.Located) string {
	return strings.TrimSpace(l.Process.Schedule + " " + l.Process.Timezone)
}

func nameOf(l spec.Located) string {
	if l.DisplayName != "" {
		return l.DisplayName
	}
	return string(l.ID)
}

// before is what was known of a service when this supervisor began.
func (s *Supervisor) before(id events.Entity) (state.Service, bool) {
	if s.opt.Prior == nil {
		return state.Service{}, false
	}
	v, ok := s.mine(*s.opt.Prior)[id]
	return v, ok
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

// recall goes on from what was known of a service that does not run.
func (s *Supervisor) recall(u *unit, prior state.Service, ended process.Process) {
	u.kept = prior.Ports
	if s.opt.Resume {
		u.restarts, u.answered = prior.Restarts, prior.Answers
		u.count(dueOf(prior, ended))
	}
	switch {
	case prior.Alive():
		s.recallEnd(u, prior, ended)
	case !s.opt.Resume && prior.State != state.ServiceIdle && prior.State != state.ServiceStopped:
		u.state = state.ServiceExited // a new boot begins anew
	default:
		u.state = prior.State
		switch x := prior.LastExit; prior.State {
		case state.ServiceFailed, state.ServiceCompleted:
			u.answered = u.desired.Restart
		case state.ServiceExited, state.ServiceBackoff, state.ServiceWaiting:
			if x != nil && s.opt.Resume {
				exit := process.Exit{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown}
				s.recordEnd(u, exit, process.End{HealthySince: prior.HealthyAt, Expected: x.Expected && !done(u.spec, exit)})
			}
		}
	}
}

// recallEnd takes the end of an instance that was there when an earlier supervisor was.
// What follows an end may not be done.
func (s *Supervisor) recallEnd(u *unit, prior state.Service, ended process.Process) {
	exit := process.Exit{Code: -1, Unknown: true}
	if ended != nil && ended.Instance() == prior.Instance {
		exit = ended.Exit()
	}
	stopped := prior.State == state.ServiceStopping && !strings.HasPrefix(prior.Reason, state.Ended)
	fact := events.ServiceExited{
		Instance: prior.Instance, PID: prior.PID, Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown,
		Expected: stopped || done(u.spec, exit), LastLines: exit.LastLines,
	}
	end := process.End{At: s.opt.Now(), OK: exit.OK(), Reason: state.ExitReason(fact), HealthySince: prior.HealthyAt, Expected: stopped, Unstarted: prior.PID == 0}
	over := func() {
		u.state, u.lastLines = state.ServiceExited, exit.LastLines
		if s.opt.Resume {
			u.history = u.policy.Record(u.history, end)
		}
		u.cause = s.state(u, fact).ID
	}
	if !s.opt.Resume || prior.PID == 0 {
		over()
		return
	}
	u.state, u.instance = prior.State, prior.Instance
	s.after(u, u.spec, prior.Ports, exit, over)
}

// dueOf is a time for which a service's run was scheduled, as far as that is known.
func dueOf(prior state.Service, ended process.Process) time.Time {
	if prior.State == state.ServiceScheduled || ended == nil || ended.Instance() != prior.Instance {
		return prior.Until
	}
	n, err := noteOf(ended)
	if err != nil {
		return time.Time{} // said where it is adopted; its intervals begin anew
	}
	return n.Due
}

// sort puts the units into dependency order.
func (s *Supervisor) sort() {
	in := make([]controller.Input, len(s.units))
	for i, u := range s.units {
		in[i] = controller.Input{ID: string(u.id), Dependencies: u.deps}
	}
	for i, x := range controller.Order(in) {
		s.units[i] = s.byID[events.Entity(x.ID)]
	}
	s.graph = nil
}

func inOrder(specs []spec.Located) []spec.Located {
	byID := make(map[string]spec.Located, len(specs))
	in := make([]controller.Input, len(specs))
	for i, l := range specs {
		byID[string(l.ID)] = l
		in[i] = controller.Input{ID: string(l.ID), Dependencies: l.Dependencies}
	}
	out := make([]spec.Located, len(specs))
	for i, x := range controller.Order(in) {
		out[i] = byID[x.ID]
	}
	return out
}
