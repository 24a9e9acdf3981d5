package supervisor

import (
	"cmp"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/health"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Checks are how the health of an instance is known.
type Checks struct {
	// Check serves both purposes, and each for which there is no other.
	Check     health.Check  `json:"check"`
	Liveness  *health.Check `json:"liveness,omitempty"`
	Readiness *health.Check `json:"readiness,omitempty"`
}

// by returns the checks for each purpose: one for both, or one for each. A line
// that was written says nothing of liveness.
func (c Checks) by() map[health.Purpose]health.Check {
	if c.Liveness == nil && c.Readiness == nil && c.Check.Type != spec.HealthLog {
		return map[health.Purpose]health.Check{health.Whole: c.Check}
	}
	live := c.Check
	if live.Type == spec.HealthLog {
		live = health.Check{}
	}
	return map[health.Purpose]health.Check{
		health.Liveness:  *cmp.Or(c.Liveness, &live),
		health.Readiness: *cmp.Or(c.Readiness, &c.Check),
	}
}

// pattern is what the check of a line waits for; empty where there is none.
func (c Checks) pattern() string {
	for _, check := range c.by() {
		if check.Type == spec.HealthLog {
			return check.Pattern
		}
	}
	return ""
}

// opinion is the last verdict for one purpose.
type opinion struct {
	known, ok bool
	reason    string
}

// opinions are the verdicts for both.
type opinions struct{ live, ready opinion }

func (o *opinions) set(p health.Purpose, v opinion) {
	if p != health.Readiness {
		o.live = v
	}
	if p != health.Liveness {
		o.ready = v
	}
}

// health says what they come to. Liveness is taken for granted until it fails.
func (o *opinions) health() (state.Health, string) {
	switch {
	case o.live.known && !o.live.ok:
		return state.HealthUnhealthy, o.live.reason
	case o.ready.known && !o.ready.ok:
		return state.HealthUnready, o.ready.reason
	case o.ready.known:
		return state.HealthHealthy, ""
	}
	return state.HealthUnknown, ""
}

// check begins to check a running instance, of which is known what u.health says.
func (s *Supervisor) check(u *unit) {
	u.opinions = opinions{}
	well := opinion{known: true, ok: true}
	switch u.health {
	case state.HealthHealthy:
		u.opinions = opinions{well, well}
	case state.HealthUnready:
		u.opinions = opinions{live: well, ready: opinion{known: true, reason: u.detail}}
	}
	for purpose, c := range u.built.by() {
		if c.Type == spec.HealthNone || c.Type == "" {
			u.opinions.set(purpose, well)
			continue
		}
		// One that is unready may be late to start: its liveness has its start period.
		known := u.health == state.HealthHealthy
		s.prober.Add(health.Target{ID: string(u.id), Instance: u.instance, Purpose: purpose}, c, known)
	}
	s.judge(u)
}

// judge states what the opinions about a unit come to, where that is new.
func (s *Supervisor) judge(u *unit) {
	now, reason := u.opinions.health()
	before := u.health
	if now == before || u.state != state.ServiceRunning {
		return
	}
	if now == state.HealthUnknown { // it was unhealthy before it was ever ready
		now, reason = state.HealthUnready, "it lives again, and was not ready yet"
		if before == now {
			return
		}
	}
	if before == state.HealthHealthy && !u.since.IsZero() && s.opt.Now().Sub(u.since) >= u.policy.Reset {
		u.history = process.History{}
	}
	u.health, u.detail, u.since = now, reason, time.Time{}
	switch now {
	case state.HealthHealthy:
		u.since = s.opt.Now()
		s.state(u, events.ServiceHealthy{Instance: u.instance})
	case state.HealthUnready:
		s.state(u, events.ServiceUnready{Instance: u.instance, Reason: reason})
	case state.HealthUnhealthy:
		s.state(u, events.ServiceUnhealthy{Instance: u.instance, Reason: reason})
	}
}

// report takes a verdict of the prober's.
func (s *Supervisor) report(t health.Target, v health.Verdict) {
	s.mail.post(func() {
		u := s.byID[events.Entity(t.ID)]
		if u == nil || u.instance != t.Instance {
			return
		}
		purpose := t.Purpose
		if v.Early {
			if purpose == health.Liveness {
				return // taken for granted
			}
			purpose = health.Readiness
		}
		u.opinions.set(purpose, opinion{known: true, ok: v.Healthy, reason: v.Reason})
		s.judge(u)
	})
}

// heed waits for the end of a process, and takes what its runner noticed in its
// output meanwhile.
func (s *Supervisor) heed(u *unit, p process.Process) {
	var matched <-chan struct{}
	var dropped <-chan int
	if n, ok := p.(process.Noticer); ok {
		matched, dropped = n.Matched(), n.Dropped()
	}
	instance := p.Instance()
	for {
		select {
		case <-p.Done():
			return
		case <-s.leave:
			return
		case <-matched:
			matched = nil
			// By way of the mailbox: the check may not be under way yet.
			s.mail.post(func() { s.prober.Told(string(u.id), instance) })
		case lines := <-dropped:
			s.mail.post(func() {
				if u.proc == p && u.alive() {
					s.opt.Log.Warn("a service writes more lines than may travel; its log file has them", "service", u.id, "lines", lines)
					s.state(u, events.ServiceLinesDropped{Instance: instance, Lines: lines})
				}
			})
		}
	}
}
