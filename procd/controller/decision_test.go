package controller_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

// layout is of the rig's node.
func (r *rig) layout() config.Layout {
	return config.Node{Name: testbus.Node, Root: r.root}.Layout()
}

// lingers makes a service end only when it is killed, after the node's stop timeout.
func (r *rig) lingers(id string) { r.edit(id, `"reloadSignal":"SIGWINCH"`, `"stopSignal":"SIGWINCH"`) }

// killBoth ends procd as a crash would, and the bus with everything it knew.
func (r *rig) killBoth(procd *exec.Cmd) {
	r.t.Helper()
	procd.Process.Kill()
	procd.Wait()
	r.bus.Restart()
}

// What operators decided holds though the bus and procd are killed together: what
// runs goes on, what was disabled or stopped stays so. A stop and a start end with
// the node's boot; enabling and disabling do not.
func TestDecisionsOutliveBusAndProcd(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"alpha": "", "beta": "", "gamma": "", "off": "", "spare": `,"profiles":["other"]`, "extra": `,"profiles":["other"]`,
	})
	step := r.launcher()
	begin := func(stages ...events.Entity) {
		for i, stage := range stages {
			step(stage, events.StageStarting{Index: 4 + 2*i})
		}
	}
	begin("controller", "services")
	first := r.child()
	r.serving("alpha", "beta", "gamma", "off")
	want(t, r.ask("off", events.DisableService{}), state.OutcomeCompleted, "")
	want(t, r.ask("beta", events.StopService{}), state.OutcomeCompleted, "")
	want(t, r.ask("gamma", events.StopService{}), state.OutcomeCompleted, "")
	want(t, r.ask("gamma", events.StartService{}), state.OutcomeCompleted, "")
	want(t, r.ask("spare", events.EnableService{}), state.OutcomeCompleted, "")
	want(t, r.ask("extra", events.StartService{}), state.OutcomeCompleted, "")
	before := r.serving("alpha", "gamma", "spare", "extra")

	wants := func(s state.State, all map[events.Entity]string) {
		t.Helper()
		for id, want := range all {
			v := s.Services[id]
			runs := want == "enabled" || want == "started"
			if v.Want() != want || v.Alive() != runs {
				t.Errorf("%s is %s and %s, want %s", id, v.Want(), v.State, want)
			}
			if was := before.Services[id]; was.PID != 0 && runs && v.PID != was.PID {
				t.Errorf("%s has pid %d, had %d", id, v.PID, was.PID)
			}
		}
	}
	r.killBoth(first)
	r.view = r.newView()
	second := r.child()
	now := map[events.Entity]string{
		"alpha": "enabled", "beta": "stopped", "gamma": "enabled", "off": "disabled", "spare": "enabled", "extra": "started",
	}
	wants(r.serving("alpha", "gamma", "spare", "extra"), now)

	// A launcher that begins anew while everything was killed goes on with that boot.
	r.killBoth(second)
	r.view = r.newView()
	step("config", events.StageStarting{Index: 1})
	third := r.child()
	begin("controller", "services")
	wants(r.serving("alpha", "gamma", "spare", "extra"), now)

	want(t, r.ask(events.NodeEntity, events.DrainServices{}), state.OutcomeCompleted, "")
	r.killBoth(third)
	r.view = r.newView()
	step("config", events.StageStarting{Index: 1})
	r.child()
	begin("controller", "services")
	before = state.State{}
	wants(r.serving("alpha", "beta", "gamma", "spare"), map[events.Entity]string{
		"alpha": "enabled", "beta": "enabled", "gamma": "enabled", "off": "disabled", "spare": "enabled", "extra": "disabled",
	})
}

// A stop that was recorded is carried out though both are killed before it is.
func TestStopOutlivesBusAndProcd(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": ""})
	r.lingers("alpha")
	step := r.launcher()
	step("controller", events.StageStarting{Index: 4})
	step("services", events.StageStarting{Index: 6})
	first := r.child()
	pid := r.serving("alpha", "beta").Services["alpha"].PID
	r.send("alpha", events.StopService{})
	r.until("alpha is being stopped", func(s state.State) bool { return s.Services["alpha"].State == state.ServiceStopping })
	r.killBoth(first)
	r.view = r.newView()
	r.child()
	r.until("alpha is stopped", func(s state.State) bool {
		v := s.Services["alpha"]
		return s.Services["beta"].Serving() && v.Want() == "stopped" && !v.Alive()
	})
	if command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); len(command) > 0 {
		t.Errorf("its process %d goes on", pid)
	}
}

// decided returns when the bus has what was decided about a service.
func (r *rig) decided(id events.Entity) {
	r.t.Helper()
	desired, err := r.op.Bucket(r.t.Context(), events.BucketDesired)
	if err != nil {
		r.t.Fatal(err)
	}
	watch, err := desired.Watch(r.t.Context(), events.DesiredKey(testbus.Node, id))
	if err != nil {
		r.t.Fatal(err)
	}
	defer watch.Stop()
	for {
		select {
		case v := <-watch.Updates():
			if v != nil {
				return
			}
		case <-r.t.Context().Done():
			r.t.Fatal(r.t.Context().Err())
		case <-time.After(20 * time.Second):
			r.t.Fatalf("the bus has no decision about %s", id)
		}
	}
}

// With a file of decisions that is no good, a procd that comes back goes on with
// what runs, and says what to do; one that begins a node ends with that.
func TestDecisionsDamaged(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": ""})
	step := r.launcher()
	step("controller", events.StageStarting{Index: 4})
	step("services", events.StageStarting{Index: 6})
	first := r.child()
	pid := r.serving("alpha", "beta").Services["alpha"].PID
	want(t, r.ask("beta", events.DisableService{}), state.OutcomeCompleted, "")
	r.decided("beta")
	first.Process.Kill()
	first.Wait()
	if err := os.WriteFile(r.layout().Decisions(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.child()
	r.until("procd is back", func(s state.State) bool { return s.Ready[events.Procd].PID != first.Process.Pid })
	damaged := "what operators decided: " + r.layout().Decisions() +
		" is not understood: unexpected end of JSON input: correct it, or remove it: then what the bus has kept of them counts, else the profiles"
	told := r.until("what is wrong is stated", func(s state.State) bool { return s.Decisions.Reason != "" }).Decisions
	if told.Reason != damaged || !slices.Equal(told.Known, []string{"beta"}) {
		t.Errorf("stated: %+v", told)
	}
	want(t, r.ask("alpha", events.DisableService{}), state.OutcomeRejected, damaged)
	if v := r.serving("alpha").Services["alpha"]; v.PID != pid {
		t.Errorf("alpha has pid %d, had %d", v.PID, pid)
	}
	// What has to end ends all the same.
	want(t, r.ask("alpha", events.StopService{}), state.OutcomeFailed, "done, but not remembered should busd and procd both be lost: "+damaged)
	if v := r.view.State().Services["alpha"]; v.Want() != "stopped" || v.Alive() {
		t.Errorf("alpha is %s and %s", v.Want(), v.State)
	}
	if err := os.Remove(r.layout().Decisions()); err != nil {
		t.Fatal(err)
	}
	want(t, r.ask("alpha", events.DisableService{}), state.OutcomeCompleted, "")
	r.until("it is stated to be right again", func(s state.State) bool { return s.Decisions.Reason == "" })

	other := newRig(t, map[string]string{"alpha": ""})
	if err := os.MkdirAll(other.layout().Decisions(), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := other.child()
	if err := cmd.Wait(); err == nil {
		t.Error("a node begins with decisions that cannot be read")
	}
}

// What cannot be recorded is not promised.
func TestDecisionsNotRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	r.inProcess()
	r.serving("alpha")
	full := r.layout().Decisions()
	if err := os.MkdirAll(filepath.Join(full, "in the way"), 0o700); err != nil { // as a disk would be
		t.Fatal(err)
	}
	reason := fmt.Sprintf("write %s: file exists: see who may write there, and what space is left", full)
	want(t, r.ask("alpha", events.DisableService{}), state.OutcomeRejected, reason)
	if v := r.view.State().Services["alpha"]; v.Want() != "enabled" || !v.Alive() {
		t.Errorf("alpha is %s and %s", v.Want(), v.State)
	}
	o := r.ask("alpha", events.StopService{})
	if o.State != state.OutcomeFailed || !strings.HasSuffix(o.Reason, reason) {
		t.Errorf("%+v", o)
	}
	if v := r.view.State().Services["alpha"]; v.Want() != "stopped" || v.Alive() {
		t.Errorf("alpha is %s and %s", v.Want(), v.State)
	}
	if err := os.RemoveAll(full); err != nil {
		t.Fatal(err)
	}
	want(t, r.ask("alpha", events.StartService{}), state.OutcomeCompleted, "")
	// A restart of what runs as it should decides nothing.
	want(t, r.ask("alpha", events.RestartService{}), state.OutcomeCompleted, "")
	if _, err := os.Stat(full); !os.IsNotExist(err) {
		t.Errorf("something was recorded: %v", err)
	}
}

// A node whose launcher was killed while it went down, and that comes up again, has
// its services: a procd that stops them, or has, makes way for another.
func TestDrainedComesUpAgain(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %t", held), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"alpha": "", "beta": ""})
			if held {
				r.lingers("alpha")
			}
			step := r.launcher()
			step("controller", events.StageStarting{Index: 4})
			step("services", events.StageStarting{Index: 6})
			step("services", events.StageReady{Index: 6})
			first := r.child()
			before := r.serving("alpha", "beta")
			step("services", events.StageStopping{Index: 6})
			drain := r.send(events.NodeEntity, events.DrainServices{})
			if held {
				r.until("alpha is being stopped", func(s state.State) bool { return s.Services["alpha"].State == state.ServiceStopping })
			} else {
				want(t, r.outcome(drain), state.OutcomeCompleted, "")
			}
			step("config", events.StageStarting{Index: 1})
			step("controller", events.StageStarting{Index: 4})
			step("services", events.StageStarting{Index: 6})
			if err := first.Wait(); err == nil {
				t.Error("the first procd ended well")
			}
			r.child()
			after := r.until("all serve again", func(s state.State) bool {
				a, b := s.Services["alpha"], s.Services["beta"]
				return a.Serving() && b.Serving() && a.PID != before.Services["alpha"].PID
			})
			if b := after.Services["beta"]; b.PID == before.Services["beta"].PID {
				t.Errorf("beta was not stopped: pid %d", b.PID)
			}
			if held {
				want(t, r.outcome(drain), state.OutcomeFailed, "the node comes up again while it was going down")
			}
		})
	}
}
