package controller_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// same fails where a service is not the process that it was.
func (r *rig) same(before state.State, ids ...events.Entity) {
	r.t.Helper()
	now := r.view.State()
	for _, id := range ids {
		if a, b := before.Services[id], now.Services[id]; a.PID != b.PID || a.Instance != b.Instance || !b.Serving() {
			r.t.Errorf("%s was pid %d and is %d, %s", id, a.PID, b.PID, b.State)
		}
	}
}

// Specs that change while the node runs are in force soon, and only what they
// change is touched.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": `,"dependencies":["alpha"]`, "other": `,"profiles":["other"]`})
	r.inProcess()
	before := r.serving("alpha", "beta")
	b, err := os.ReadFile(filepath.Join(r.root, "specs", "alpha.json"))
	if err != nil {
		t.Fatal(err)
	}

	r.write("gamma", strings.Replace(string(b), `"alpha"`, `"gamma"`, 1))
	s := r.serving("gamma")
	r.same(before, "alpha", "beta")
	if got := s.Services["other"].State; got != state.ServiceIdle {
		t.Errorf("other is %s", got)
	}

	// A new instance for what a running one cannot have.
	r.edit("beta", `"env":{`, `"env":{"MORE":"1",`)
	s = r.until("beta is replaced", func(s state.State) bool {
		v := s.Services["beta"]
		return v.Serving() && v.PID != before.Services["beta"].PID
	})
	r.same(before, "alpha")
	r.same(s, "gamma")

	// None for what it can.
	r.edit("beta", `"health"`, `"description":"what it does","caddy":{"expose":true},"health"`)
	s = r.until("beta is exposed", func(s state.State) bool {
		v := s.Services["beta"]
		return v.Registered.Description == "what it does" && len(v.Registered.Routes) == 1 && len(v.Routes) == 1 && len(v.Routes[0].Upstreams) == 1
	})
	r.same(s, "alpha", "beta", "gamma")

	// Nothing of a set that is wrong.
	r.write("delta", strings.Replace(string(b), `"alpha"`, `"delta"`, 1))
	r.serving("delta")
	before = r.view.State()
	r.edit("gamma", `"health"`, `"dependencies":["delat"],"health"`)
	r.until("the specs are refused", func(s state.State) bool { return strings.Contains(s.Specs.Reason, `did you mean "delta"?`) })
	if err := os.Remove(filepath.Join(r.root, "specs", "delta.json")); err != nil {
		t.Fatal(err)
	}
	r.until("they are refused for another reason", func(s state.State) bool {
		return strings.Contains(s.Specs.Reason, `unknown service "delat"`) && !strings.Contains(s.Specs.Reason, "did you mean")
	})
	r.same(before, "alpha", "beta", "gamma", "delta")

	// And all of it when it is right.
	r.edit("gamma", `"delat"`, `"beta"`)
	r.until("delta is gone", func(s state.State) bool {
		_, ok := s.Services["delta"]
		return !ok && s.Specs.Reason == "" && len(s.Services["gamma"].Registered.Dependencies) == 1
	})
	r.same(before, "alpha", "beta", "gamma")

	// One service becomes replicas.
	r.edit("alpha", `"process":{`, `"process":{"replicas":2,`)
	s = r.serving("alpha-0", "alpha-1", "beta", "gamma")
	r.until("alpha is gone", func(s state.State) bool { _, ok := s.Services["alpha"]; return !ok })
	r.same(s, "beta", "gamma")
}

// appliedAfter fails unless specs were applied as one fact says, which was stated when
// all services it names were registered with their new spec.
func (r *rig) appliedAfter(want events.SpecsApplied) {
	r.t.Helper()
	var applied events.ID
	registered := map[string]events.ID{} // with which cause, the last time before
	for rec, err := range r.op.Events().Read(r.t.Context(), 0) {
		e, derr := events.DecodeRecord(rec)
		if err = errors.Join(err, derr); err != nil {
			r.t.Fatal(err)
		}
		switch e.Type {
		case "service.registered":
			registered[string(e.Entity)] = e.Cause
		case "specs.applied":
			got, err := events.As[events.SpecsApplied](e)
			if err != nil || !reflect.DeepEqual(got, want) || applied != "" {
				r.t.Errorf("%+v, want only %+v; %v", got, want, err)
			}
			applied = e.ID
			for _, id := range slices.Concat(got.Added, got.Replaced, got.Changed) {
				if cause, ok := registered[id]; !ok || cause != applied && !slices.Contains(got.Added, id) {
					r.t.Errorf("the specs were said to be applied before %s had its new one", id)
				}
			}
		}
	}
	if applied == "" {
		r.t.Error("nobody said that the specs were applied")
	}
}

// Where nobody watches, specs are applied when somebody asks.
func TestReloadOnRequest(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{"manual": "CORE_SPECS_APPLY=manual", "not watched": "CORE_SPECS_WATCH=false"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]string{"alpha": "", "beta": `,"dependencies":["alpha"]`})
			r.inProcess(setting)
			before := r.serving("alpha", "beta")
			r.edit("alpha", `"env":{`, `"env":{"MORE":"1",`)
			r.write("job", `{"id":"job","process":{"command":"/bin/true","type":"oneshot"},"dependencies":["beta"],"profiles":["default"]}`)
			want(t, r.ask(events.SpecsEntity, events.ApplySpecs{}), state.OutcomeCompleted, "")
			s := r.view.State()
			if v := s.Services["alpha"]; v.PID == before.Services["alpha"].PID || !v.Serving() {
				t.Errorf("alpha is %s with pid %d", v.State, v.PID)
			}
			if v := s.Services["job"]; v.State != state.ServiceCompleted {
				t.Errorf("job is %s", v.State)
			}
			r.same(before, "beta")
			r.appliedAfter(events.SpecsApplied{Added: []string{"job"}, Replaced: []string{"alpha"}})
			want(t, r.ask(events.SpecsEntity, events.ApplySpecs{}), state.OutcomeCompleted, "")
			r.same(s, "alpha", "beta")
			r.write("alpha", "{")
			if o := r.ask(events.SpecsEntity, events.ApplySpecs{}); o.State != state.OutcomeFailed || !strings.Contains(o.Reason, "alpha.json:1:2:") {
				t.Errorf("%+v", o)
			}
			r.same(s, "alpha", "beta")
		})
	}
}

// What changes while procd is away is done when it comes back.
func TestReloadAfterRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": ""})
	r.launcherAt(t)
	procd := r.child()
	before := r.serving("alpha", "beta")
	procd.Process.Kill()
	procd.Wait()
	r.edit("alpha", `"env":{`, `"env":{"MORE":"1",`)
	r.child()
	r.until("alpha is replaced", func(s state.State) bool {
		v := s.Services["alpha"]
		return v.Serving() && v.PID != before.Services["alpha"].PID
	})
	r.same(before, "beta")
}
