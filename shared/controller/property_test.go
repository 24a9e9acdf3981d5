package controller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// world draws services that depend on services before them and now and then on
// what does not exist.
func world(t *rapid.T) []controller.Input {
	n := rapid.IntRange(0, 8).Draw(t, "services")
	var in []controller.Input
	for i := range n {
		s := controller.Input{
			ID: fmt.Sprint("s", i), Want: rapid.Bool().Draw(t, "want"), Why: "why",
			Restart: events.ID(rapid.SampledFrom([]string{"", "r1", "r2"}).Draw(t, "restart")),
			State: rapid.SampledFrom([]state.ServiceState{
				state.ServiceIdle, state.ServiceWaiting, state.ServiceStarting, state.ServiceRunning, state.ServiceStopping,
				state.ServiceBackoff, state.ServiceExited, state.ServiceCompleted, state.ServiceFailed, state.ServiceStopped,
			}).Draw(t, "state"),
			Health: state.HealthUnknown,
			Policy: process.DefaultPolicy(rapid.SampledFrom([]spec.RestartPolicy{"always", "on-failure", "never"}).Draw(t, "policy")),
		}
		s.Answered = events.ID(rapid.SampledFrom([]string{"", "r1"}).Draw(t, "answered"))
		if s.State == state.ServiceRunning {
			s.Health = rapid.SampledFrom([]state.Health{state.HealthUnknown, state.HealthHealthy, state.HealthUnhealthy, state.HealthUnready}).Draw(t, "health")
		}
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "depends") == 0 {
				s.Dependencies = append(s.Dependencies, spec.Dependency{
					Service:   fmt.Sprint("s", j),
					Condition: rapid.SampledFrom([]spec.Condition{"", spec.Started, spec.Ready, spec.Completed}).Draw(t, "condition"),
				})
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
			s.Dependencies = append(s.Dependencies, spec.Dependency{Service: "nobody"})
		}
		for i := range rapid.IntRange(0, 9).Draw(t, "ends") {
			s.History = s.Policy.Record(s.History, process.End{At: epoch.Add(time.Duration(i) * time.Second), OK: rapid.Bool().Draw(t, "ok"), Reason: "no"})
		}
		in = append(in, s)
	}
	return in
}

// carry makes the inputs what they are once the actions have been stated.
func carry(in []controller.Input, actions []controller.Action) []controller.Input {
	in = slices.Clone(in)
	to := map[controller.Verb]state.ServiceState{
		controller.Start: state.ServiceStarting, controller.Stop: state.ServiceStopping, controller.Wait: state.ServiceWaiting,
		controller.BackOff: state.ServiceBackoff, controller.Complete: state.ServiceCompleted, controller.Fail: state.ServiceFailed, controller.Settle: state.ServiceStopped,
	}
	for _, a := range actions {
		i := slices.IndexFunc(in, func(s controller.Input) bool { return s.ID == a.ID })
		s := &in[i]
		s.State, s.Health, s.Waited = to[a.Verb], state.HealthUnknown, a.Keys
		if a.Verb == controller.Start || a.Verb == controller.Fail {
			s.Answered = a.Request
		}
	}
	return in
}

func TestDecideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := controller.Order(world(t))
		now := epoch.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "now")) * time.Second)
		actions, next := controller.Decide(now, in)

		again, _ := controller.Decide(now, in)
		if got, want := render(again, next), render(actions, next); got != want {
			t.Fatalf("asked again it says\n%s, not\n%s", got, want)
		}
		after := carry(in, actions)
		if more, _ := controller.Decide(now, after); len(more) > 0 {
			t.Fatalf("once carried out there is more to do:\n%s", render(more, time.Time{}))
		}
		seen, completed := map[string]bool{}, map[string]bool{}
		byID := map[string]controller.Input{}
		for _, s := range in {
			byID[s.ID] = s
		}
		for _, a := range actions {
			if seen[a.ID] {
				t.Fatalf("two actions about %s", a.ID)
			}
			seen[a.ID] = true
			completed[a.ID] = a.Verb == controller.Complete
			s := byID[a.ID]
			up := s.State == state.ServiceStarting || s.State == state.ServiceRunning
			switch a.Verb {
			case controller.Start:
				if up || s.State == state.ServiceStopping || !s.Want {
					t.Fatalf("start of %+v", s)
				}
				for _, d := range s.Dependencies {
					on := byID[d.Service]
					runs := on.State == state.ServiceRunning
					done := on.State == state.ServiceCompleted || completed[d.Service]
					holds := runs && on.Health == state.HealthHealthy
					switch d.Condition {
					case spec.Started:
						holds = runs || done
					case spec.Completed:
						holds = done
					}
					if !holds {
						t.Fatalf("start of %s before %s", a.ID, d)
					}
				}
			case controller.Stop:
				if !up {
					t.Fatalf("stop of %+v", s)
				}
				for _, d := range in {
					leaving := !d.Want && (d.State == state.ServiceStarting || d.State == state.ServiceRunning || d.State == state.ServiceStopping)
					if !s.Want && leaving && slices.ContainsFunc(d.Dependencies, func(on spec.Dependency) bool { return on.Service == a.ID }) {
						t.Fatalf("stop of %s before %s", a.ID, d.ID)
					}
				}
			default:
				if up || s.State == state.ServiceStopping {
					t.Fatalf("%s of %+v", a.Verb, s)
				}
			}
			if a.Verb == controller.BackOff && (next.IsZero() || next.After(a.Until)) {
				t.Fatalf("%s backs off until %v, asked again at %v", a.ID, a.Until, next)
			}
		}
	})
}

// Whatever the world is like, asking, acting and waiting ends with everything as
// it is wanted, or failed, or waiting for what is.
func TestDecideConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := controller.Order(world(t))
		now := epoch.Add(time.Minute)
		for range 200 {
			actions, next := controller.Decide(now, in)
			in = carry(in, actions)
			moved := len(actions) > 0
			for i := range in {
				switch s := &in[i]; {
				case s.State == state.ServiceStarting:
					s.State, s.Health, moved = state.ServiceRunning, state.HealthHealthy, true
				case s.State == state.ServiceStopping:
					s.State, s.History, moved = state.ServiceExited, process.History{}, true
				case s.State == state.ServiceRunning && s.Health == state.HealthUnknown:
					s.Health, moved = state.HealthHealthy, true
				}
			}
			if !next.IsZero() && !moved {
				now, moved = next, true
			}
			if moved {
				continue
			}
			for _, s := range in {
				up := s.State == state.ServiceRunning
				on, _ := controller.Missing(in, s.ID)
				done := s.State == state.ServiceFailed || s.State == state.ServiceCompleted || s.State == state.ServiceWaiting && len(on) > 0
				if s.Want != up && !(s.Want && done) {
					t.Fatalf("at rest: %+v", s)
				}
			}
			return
		}
		t.Fatal("it never comes to rest")
	})
}
