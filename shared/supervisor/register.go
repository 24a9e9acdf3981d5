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
	ended   process.Process // the last that was started, where it is gone; nil if none
	note    note            // of either
	resume  bool            // what is known of it holds in this boot of the node
}

// Register makes services known, in dependency order, and takes over those that
// run already. It returns when that has been stated; what Prior says of a service is
// not stated again in the same boot of the node. A service that was
// registered before has the new spec from its next start on.
func (s *Supervisor) Register(ctx context.Context, specs []spec.Located) error {
	finds, err := s.findAll(ctx, specs)
	if err != nil {
		return err
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

// findAll is find for services that are about to be registered.
func (s *Supervisor) findAll(ctx context.Context, specs []spec.Located) (map[events.Entity]found, error) {
	finds := make(map[events.Entity]found, len(specs))
	for _, l := range specs {
		f, err := s.find(ctx, string(l.ID))
		if err != nil {
			return nil, fmt.Errorf("register %s: %w", l.ID, err)
		}
		finds[events.Entity(l.ID)] = f
	}
	return finds, nil
}

func (s *Supervisor) find(ctx context.Context, id string) (found, error) {
	f := found{resume: s.opt.Resume}
	p, err := s.opt.Runner.Adopt(ctx, id)
	if err != nil {
		return f, err
	}
	if f.running = p; p == nil {
		r, ok := s.opt.Runner.(process.Finder)
		if !ok {
			return f, nil
		}
		if p = r.Ended(id); p == nil {
			return f, nil
		}
		f.ended = p
	}
	if f.note, err = noteOf(p); err != nil {
		s.opt.Log.Warn("a service was found without what is known of it: its ports and health check come back with its next start",
			"service", id, "pid", p.PID(), "error", err)
	}
	f.resume = f.resume || f.note.Boot != "" && f.note.Boot == s.opt.Boot
	return f, nil
}

// followed reports whether what follows the end of the last instance is done.
func (f found) followed() bool {
	p, ok := f.ended.(interface{ Followed() bool })
	return ok && p.Followed()
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
