package supervisor

import (
	"context"
	"fmt"
	"slices"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Orphans ends what an earlier supervisor left running though no spec of it is
// registered, and unregisters what is known from before without one. It is
// called once everything has been registered.
func (s *Supervisor) Orphans(ctx context.Context) error {
	var ids []string
	if f, ok := s.opt.Runner.(process.Finder); ok {
		recorded, err := f.Recorded()
		if err != nil {
			return fmt.Errorf("look for processes whose spec is gone: %w", err)
		}
		ids = recorded
	}
	if s.opt.Prior != nil {
		for _, v := range state.Sorted(s.mine(*s.opt.Prior)) {
			ids = append(ids, string(v.ID))
		}
	}
	slices.Sort(ids)
	var known map[events.Entity]bool
	err := s.do(ctx, func() {
		known = make(map[events.Entity]bool, len(s.units))
		for id := range s.byID {
			known[id] = true
		}
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Compact(ids) {
		if known[events.Entity(id)] {
			continue
		}
		f, err := s.find(ctx, id)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("look for processes whose spec is gone: %w", err)
		}
		if err != nil { // nobody waits for it
			s.opt.Log.Error("whether something runs of which the spec is gone is not known", "service", id, "error", err)
			continue
		}
		if err := s.do(ctx, func() { s.orphan(events.Entity(id), f) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Supervisor) orphan(id events.Entity, f found) {
	if s.byID[id] != nil {
		return
	}
	u := &unit{id: id, gone: true, health: state.HealthUnknown, stopped: true, policy: process.DefaultPolicy(spec.RestartNever)}
	s.byID[id] = u
	s.units = append(s.units, u)
	if f.running == nil {
		s.forget(u)
		return
	}
	prior, _ := s.before(id)
	s.adopt(u, f, prior)
	s.sort()
}

// forget unregisters a unit of which nothing is left.
func (s *Supervisor) forget(u *unit) {
	if f, ok := s.opt.Runner.(process.Finder); ok {
		if err := f.Forget(string(u.id)); err != nil {
			s.opt.Log.Warn("forgetting a service", "service", u.id, "error", err)
		}
	}
	s.state(u, events.ServiceUnregistered{})
	if s.opt.Gone != nil {
		s.opt.Gone(u.id)
	}
	delete(s.byID, u.id)
	s.units = slices.DeleteFunc(s.units, func(v *unit) bool { return v == u })
	s.graph = nil
}
