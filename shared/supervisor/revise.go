package supervisor

import (
	"context"
	"reflect"

	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Revision is what becomes of services whose specs were read again. Those that it
// does not name go on as they are.
type Revision struct {
	Register []spec.Located // added ones, and those whose spec changed
	// Replace names those of Register of which a running instance does not do
	// any more. One that failed, or backs off, begins anew.
	Replace map[events.Entity]bool
	Remove  []events.Entity // to be ended and forgotten
}

// Revise carries out r as one step. It returns when all of it is wanted; cause is
// that of what follows, and the request that new instances answer.
func (s *Supervisor) Revise(ctx context.Context, r Revision, cause events.ID) error {
	var added []spec.Located
	err := s.do(ctx, func() {
		for _, l := range r.Register {
			if s.byID[events.Entity(l.ID)] == nil {
				added = append(added, l)
			}
		}
	})
	if err != nil {
		return err
	}
	finds, err := s.findAll(ctx, added)
	if err != nil {
		return err
	}
	return s.do(ctx, func() {
		for _, id := range r.Remove {
			if u := s.byID[id]; u != nil {
				s.remove(u, cause)
			}
		}
		for _, l := range inOrder(r.Register) {
			id := events.Entity(l.ID)
			if u := s.byID[id]; u != nil {
				u.cause = cause
			}
			s.register(l, finds[id], r.Replace[id])
			if r.Replace[id] {
				s.replace(s.byID[id], cause)
			}
		}
		s.sort()
	})
}

// remove makes a service go.
func (s *Supervisor) remove(u *unit, cause events.ID) {
	u.gone, u.cause = true, cause
	if u.state == state.ServiceIdle || u.state == state.ServiceStopped {
		s.forget(u)
	}
}

// replace asks for a new instance where there is, or should be, one.
func (s *Supervisor) replace(u *unit, cause events.ID) {
	switch {
	case !u.desired.Running:
		return
	case u.alive() && u.state != state.ServiceStopping:
	case u.state == state.ServiceFailed && u.schedule == nil, u.state == state.ServiceBackoff, u.state == state.ServiceExited:
	default:
		return // it has its new spec when it starts
	}
	u.desired.Restart, u.cause = cause, cause
	s.state(u, u.desired)
}

// renew is what a new spec changes about a service at once; replaced: a running
// instance is not to go on with it.
func (s *Supervisor) renew(u *unit, was spec.Located, replaced bool) {
	if was.ID == u.spec.ID { // an orphan has none
		before, now := s.opt.Want(was), s.opt.Want(u.spec)
		if before.Enabled != now.Enabled && u.desired.Enabled != now.Enabled {
			u.desired.Enabled, u.desired.Running = now.Enabled, now.Enabled
			s.state(u, u.desired)
		}
	}
	if !replaced {
		s.reroute(u)
	}
	if u.replaces() && u.alive() {
		u.due(u.schedule.Next(s.opt.Now()))
	}
}

// reroute states where the routes of a running instance lead by its spec.
func (s *Supervisor) reroute(u *unit) {
	if s.opt.Routes == nil || u.state != state.ServiceRunning {
		return
	}
	routes, err := s.opt.Routes(u.spec, Instance{Name: u.instance, Kept: u.built.Ports})
	if err != nil {
		s.opt.Log.Warn("the routes of a service that runs come with its next start", "service", u.id, "error", err)
		return
	}
	if len(routes) == 0 && len(u.built.Routes) == 0 || reflect.DeepEqual(routes, u.built.Routes) {
		return
	}
	u.built.Routes = routes
	s.state(u, events.ServiceRerouted{Instance: u.instance, Routes: routes})
}
