package controller_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

// launcherAt plays a launcher that has come to the services.
func (r *rig) launcherAt(t *testing.T) {
	t.Helper()
	conn := r.bus.Connect(events.Launcher)
	facts := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Launcher})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); facts.Run(ctx, conn) }()
	t.Cleanup(func() { cancel(); <-ended })
	facts.State("controller", events.StageStarting{Index: 4}, "boot1")
	facts.State("services", events.StageReady{Index: 6}, "boot1")
	if err := facts.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "CORE_STAGE=controller", "CORE_BOOT=boot1")
}

// A procd that comes back to specs that somebody broke meanwhile takes none of
// them, says so, and goes on with what it had.
func TestSpecsBrokenMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": `,"dependencies":["alpha"]`})
	file := func(name string) string { return filepath.Join(r.root, "specs", name+".json") }
	good := map[string]string{}
	for _, id := range []string{"alpha", "beta"} {
		b, err := os.ReadFile(file(id))
		if err != nil {
			t.Fatal(err)
		}
		good[id] = string(b)
	}
	write := func(name, text string) {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.launcherAt(t)
	procd := r.child()
	before := r.serving("alpha", "beta")
	again := func() {
		procd.Process.Kill()
		procd.Wait()
		procd = r.child()
	}
	same := func(what string, ids ...events.Entity) {
		t.Helper()
		s := r.until(what+": taken over", func(s state.State) bool {
			ready := s.Ready[events.Procd]
			return ready.Ready && ready.PID == procd.Process.Pid && s.Services["alpha"].Serving() && s.Services["beta"].Serving()
		})
		for _, id := range ids {
			if a, b := before.Services[id], s.Services[id]; a.PID != b.PID || a.Registered.Digest != b.Registered.Digest {
				t.Errorf("%s: %s was %d (%s), is %d (%s)", what, id, a.PID, a.Registered.Digest, b.PID, b.Registered.Digest)
			}
		}
		if _, ok := s.Services["gamma"]; ok {
			t.Errorf("%s: gamma was registered", what)
		}
	}

	write("gamma", `{"id":"gamma","process":{"command":"/bin/true"}}`)
	for _, c := range []struct {
		what        string
		alpha, beta string
		want        string
	}{
		{"a file that is broken", `{"id":"alpha",`, good["beta"], "alpha.json:1:"},
		{"two ids", good["alpha"], good["alpha"], `"alpha" is the id of `},
		{"a cycle", strings.Replace(good["alpha"], `"ports"`, `"dependencies":["beta"],"ports"`, 1), good["beta"], "alpha → beta → alpha"},
		{"a port for two", strings.Replace(good["alpha"], `"port":0`, `"port":47001`, 1),
			strings.Replace(good["beta"], `"port":0`, `"port":47001`, 1), "tcp 47001 is also ports.primary.port of alpha"},
	} {
		write("alpha", c.alpha)
		write("beta", c.beta)
		again()
		same(c.what, "alpha", "beta")
		if s := r.view.State(); !strings.Contains(s.Specs.Reason, c.want) || s.Specs.Since.IsZero() {
			t.Errorf("%s: %+v", c.what, s.Specs)
		}
	}

	// What was registered can be started anew, and is what a later procd has too.
	want(t, r.ask("beta", events.RestartService{}), state.OutcomeCompleted, "")
	before = r.serving("alpha", "beta")
	if err := errors.Join(os.Remove(file("beta")), os.WriteFile(file("alpha"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	again()
	same("a file that is gone beside one that is empty", "alpha", "beta")

	for id, text := range good {
		write(id, text)
	}
	again()
	s := r.until("the specs are right again", func(s state.State) bool {
		_, ok := s.Services["gamma"]
		return ok && s.Specs == state.Specs{} && s.Services["alpha"].Serving() && s.Services["beta"].Serving()
	})
	if s.Services["beta"].PID != before.Services["beta"].PID {
		t.Errorf("beta was started anew")
	}
}

// Where the bus has lost what was registered, the specs that say the same as
// before stand in.
func TestSpecsBrokenAndLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": ""})
	r.launcherAt(t)
	procd := r.child()
	before := r.serving("alpha", "beta")
	t.Cleanup(func() { _ = syscall.Kill(before.Services["beta"].PID, syscall.SIGKILL) }) // whose spec is lost: procd leaves it alone
	r.until("procd is ready", func(s state.State) bool { return s.Ready[events.Procd].Ready })
	procd.Process.Kill()
	procd.Wait()
	owner := r.bus.Connect(events.Procd)
	own, err := owner.Bucket(t.Context(), events.BucketSpecs)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []events.Entity{"alpha", "beta"} {
		if err := own.Delete(t.Context(), events.DesiredKey(testbus.Node, id)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"beta": "{", "gamma": `{"id":"gamma","process":{"command":"/bin/true"}}`} {
		if err := os.WriteFile(filepath.Join(r.root, "specs", name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	procd = r.child()
	s := r.until("taken over", func(s state.State) bool {
		return s.Ready[events.Procd].PID == procd.Process.Pid && s.Services["alpha"].Seq > before.Seq
	})
	for _, id := range []events.Entity{"alpha", "beta"} {
		if s.Services[id].PID != before.Services[id].PID || !s.Services[id].Serving() {
			t.Errorf("%s: %+v", id, s.Services[id])
		}
	}
	if _, ok := s.Services["gamma"]; ok || !strings.Contains(s.Specs.Reason, "beta.json") {
		t.Errorf("specs %+v, gamma registered: %t", s.Specs, ok)
	}
}

// A procd whose launcher died before it came to its stage goes on with the next
// one, but not because of an earlier one.
func TestStageOfALaterLauncher(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	conn := r.bus.Connect(events.Launcher)
	facts := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Launcher})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); facts.Run(ctx, conn) }()
	t.Cleanup(func() { cancel(); <-ended })
	step := func(stage events.Entity, boot events.ID) {
		facts.State(stage, events.StageStarting{Index: 4}, boot)
		if err := facts.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step("controller", "boot0")
	r.inProcess("CORE_STAGE=controller", "CORE_BOOT=boot1")
	kv, err := r.op.Bucket(t.Context(), events.BucketPresence)
	if err != nil {
		t.Fatal(err)
	}
	there, err := kv.Watch(t.Context(), events.PresenceKey(testbus.Node, events.Procd))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Stop()
	for e := range there.Updates() {
		if e != nil {
			break // it is connected and waits
		}
	}
	later := time.Now()
	step("controller", "boot2")
	step("services", "boot2")
	if s := r.serving("alpha"); s.Ready[events.Procd].Since.Before(later) {
		t.Errorf("it was ready at %v, before its stage began at %v", s.Ready[events.Procd].Since, later)
	}
}
