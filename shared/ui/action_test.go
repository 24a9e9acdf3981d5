package ui

import (
	"strings"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestEveryActionHasAllFaces(t *testing.T) {
	seen := map[string]ActionID{}
	unique := func(a ActionID, face, value string) {
		t.Helper()
		if value == "" {
			t.Errorf("action %s has no %s", a, face)
		}
		if other, taken := seen[face+value]; taken {
			t.Errorf("actions %s and %s share the %s %q", a, other, face, value)
		}
		seen[face+value] = a
	}
	for _, a := range Actions() {
		unique(a.ID, "id", string(a.ID))
		unique(a.ID, "label", a.Label)
		unique(a.ID, "key", a.Key)
		unique(a.ID, "verb", a.Verb)
		unique(a.ID, "help", a.About)
		unique(a.ID, "route", a.Method()+" "+a.Path("alpha"))
		if len(a.On) == 0 {
			t.Errorf("action %s is on nothing", a.ID)
		}
		if found, ok := Find(a.ID); !ok || found.Verb != a.Verb {
			t.Errorf("Find(%q) does not find it", a.ID)
		}
		for _, entity := range []events.Entity{"alpha", "nobody"} {
			if ok, reason := a.Enabled(state.New("local"), entity); ok == (reason != "") {
				t.Errorf("action %s on %s: enabled %t with reason %q", a.ID, entity, ok, reason)
			}
		}
		if !a.Sends() {
			continue
		}
		to, body := a.Request(Target{Node: "local", Entity: "alpha", Run: "alpha-1"})
		if _, err := events.New(events.Header{ID: "1", Time: began, Node: to.Node, Source: events.Operator, Entity: to.Entity}, body); err != nil {
			t.Errorf("action %s: %v", a.ID, err)
		}
		if to.Target == "" || to.Verb != body.EventType().Verb() {
			t.Errorf("action %s goes to %+v with %s", a.ID, to, body.EventType())
		}
	}
	if _, ok := Find("fly"); ok {
		t.Error("Find found an action that does not exist")
	}
}

// Each request that an operator may send has an action, so that no shell needs
// a way of its own to send it.
func TestEveryRequestHasAnAction(t *testing.T) {
	covered := map[events.Type]bool{events.DrainServices{}.EventType(): true} // the launcher's own, to procd
	for _, a := range Actions() {
		if a.Sends() {
			_, body := a.Request(Target{Entity: "x", Run: "x-1"})
			covered[body.EventType()] = true
		}
	}
	for _, b := range events.Catalog() {
		if b.EventType().Aggregate() == "request" && !covered[b.EventType()] {
			t.Errorf("%s has no action", b.EventType())
		}
	}
}

func TestEnabled(t *testing.T) {
	s := everything(t)
	for _, c := range []struct {
		action ActionID
		entity events.Entity
		reason string // "" where it is enabled
	}{
		{ActionEnable, "alpha", "already enabled"},
		{ActionEnable, "omega", ""},
		{ActionDisable, "alpha", ""},
		{ActionDisable, "omega", "already disabled"},
		{ActionStart, "alpha", "already started"},
		{ActionStart, "beta", "it failed: restart it"},
		{ActionStart, "omega", ""},
		{ActionStop, "alpha", ""},
		{ActionStop, "omega", "already stopped"},
		{ActionRestart, "beta", ""},
		{ActionRestart, "omega", "it is not wanted: start it"},
		{ActionRestart, "alhpa", "there is no service of this name"},
		{ActionReload, "alpha", "its spec has no process.reloadSignal: restart it"},
		{ActionReload, "alhpa", "there is no service of this name"},
		{ActionLogs, "alpha", ""},
		{ActionLogs, "busd", ""},
		{ActionLogs, "build-1", ""},
		{ActionLogs, "alhpa", "there is no service, daemon or run of this name"},
		{ActionRun, "build", ""},
		{ActionCancel, "build-1", ""},
		{ActionCancel, "build-2", "the run has ended: failed"},
		{ActionCancel, "build-3", "there is no run of this name"},
		{ActionShutdown, events.NodeEntity, ""},
	} {
		a, _ := Find(c.action)
		if ok, reason := a.Enabled(s, c.entity); reason != c.reason || ok != (c.reason == "") {
			t.Errorf("%s %s: %t, %q; want %q", c.action, c.entity, ok, reason, c.reason)
		}
	}
	s.Stages = map[events.Entity]state.Stage{"bus": {Name: "bus", Index: 1, State: state.StageStopping}}
	for _, a := range Actions() {
		if ok, reason := a.Enabled(s, "alpha"); a.Sends() && (ok || reason == "") {
			t.Errorf("%s is offered while the node goes down", a.ID)
		}
	}
}

func TestOutcome(t *testing.T) {
	restart, _ := Find(ActionRestart)
	run, _ := Find(ActionRun)
	s := state.New("local")
	if _, ok := restart.Outcome(s, "c1"); ok {
		t.Error("an outcome of a request that nobody answered")
	}
	s.Outcomes = []state.Outcome{{Command: "c1", State: state.OutcomeAccepted}}
	if _, ok := restart.Outcome(s, "c1"); ok {
		t.Error("a restart that was accepted is not done")
	}
	if o, ok := run.Outcome(s, "c1"); !ok || o.State != state.OutcomeAccepted {
		t.Error("a run that was accepted goes on by itself")
	}
	s.Outcomes[0].State = state.OutcomeFailed
	if o, ok := restart.Outcome(s, "c1"); !ok || o.State != state.OutcomeFailed {
		t.Errorf("outcome %+v, %t; want failed", o, ok)
	}
}

func TestRunName(t *testing.T) {
	if got := RunName("build", "abcdefghijklmnop"); got != "build-ijklmnop" {
		t.Errorf("got %q", got)
	}
	long := RunName(strings.Repeat("x", 100), "abcdefghijklmnop")
	if err := events.CheckToken(string(long)); err != nil {
		t.Error(err)
	}
}
