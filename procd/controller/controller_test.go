package controller_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"core.internal/procd/controller"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"alpha": `,"dependencies":["core.bus","core.edge"]`,
		"beta":  `,"dependencies":["alpha"]`,
		"spare": `,"profiles":["other"]`,
	})
	r.inProcess()
	s := r.serving("alpha", "beta")
	if spare := s.Services["spare"]; spare.State != state.ServiceIdle || spare.Want() != "disabled" {
		t.Errorf("spare is %s and %s", spare.State, spare.Want())
	}
	pid := s.Services["beta"].PID
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Services["alpha"].PID)); !strings.Contains(string(text), "\nUmask:\t0027\n") {
		t.Errorf("alpha has another umask: %v\n%s", err, text)
	}

	want(t, r.ask("beta", events.RestartService{}), state.OutcomeCompleted, "")
	if s := r.view.State().Services["beta"]; s.PID == pid || s.PID == 0 || s.Restarts != 0 {
		t.Errorf("after the restart: pid %d (was %d), %d restarts", s.PID, pid, s.Restarts)
	}
	want(t, r.ask("alpha", events.ReloadService{}), state.OutcomeCompleted, "")
	want(t, r.ask("beta", events.ReloadService{}), state.OutcomeRejected, "the spec of beta has no process.reloadSignal: restart it")
	want(t, r.ask("spare", events.ReloadService{}), state.OutcomeRejected, "spare does not run: start it")
	want(t, r.ask("alhpa", events.ReloadService{}), state.OutcomeRejected, `unknown service "alhpa": did you mean "alpha"?`)
	want(t, r.ask("beta", events.StopService{}), state.OutcomeCompleted, "")
	if s := r.view.State().Services["beta"]; s.State != state.ServiceStopped || s.Want() != "stopped" {
		t.Errorf("after the stop: %s, %s", s.State, s.Want())
	}
	want(t, r.ask("beta", events.StartService{}), state.OutcomeCompleted, "")
	want(t, r.ask("alpha", events.DisableService{}), state.OutcomeCompleted, "")
	want(t, r.ask("beta", events.RestartService{}), state.OutcomeFailed, "service beta: waiting for alpha: not enabled")
	want(t, r.ask("alpha", events.EnableService{}), state.OutcomeCompleted, "")
	r.serving("beta")
	want(t, r.ask("spare", events.EnableService{}), state.OutcomeCompleted, "")

	want(t, r.ask("alhpa", events.StartService{}), state.OutcomeRejected, `unknown service "alhpa": did you mean "alpha"?`)
	want(t, r.ask("zzz", events.StartService{}), state.OutcomeRejected, "unknown service \"zzz\": `launcher status` lists those of this node")
	if o := r.ask("alpha", events.CancelRun{}); o.State != state.OutcomeRejected || !strings.Contains(o.Reason, `procd does not know "cancel"`) {
		t.Errorf("%+v", o)
	}

	want(t, r.ask(events.NodeEntity, events.DrainServices{}), state.OutcomeCompleted, "")
	s = r.view.State()
	for _, v := range state.Sorted(s.Services) {
		if v.Alive() || v.Reason != "node is going down" {
			t.Errorf("after the drain %s is %s: %s", v.ID, v.State, v.Reason)
		}
	}
}

// Run alone, procd makes its node directory, or says why it cannot.
func TestNodeDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	stop := r.inProcess()
	r.until("procd is ready", func(s state.State) bool { return s.Ready[events.Procd].Ready })
	dir := filepath.Join(r.root, string(testbus.Node))
	if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	stop()
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	err := daemon.Exec(t.Context(), controller.Definition(nil), nil, r.env, nil, io.Discard, io.Discard)
	if want := "make the node directory: mkdir " + dir + ": not a directory: choose a directory that procd may write to with --root"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// What operators decided outlives procd; what the profile says does not matter
// then.
func TestDesiredIsRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "spare": `,"profiles":["other"]`})
	stop := r.inProcess()
	r.serving("alpha")
	want(t, r.ask("alpha", events.DisableService{}), state.OutcomeCompleted, "")
	want(t, r.ask("spare", events.EnableService{}), state.OutcomeCompleted, "")
	kv, err := r.op.Bucket(t.Context(), events.BucketSpecs)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), events.DesiredKey(testbus.Node, "alpha")); err != nil || !strings.Contains(string(e.Value()), `"id":"alpha"`) {
		t.Errorf("the spec in its bucket: %v", err)
	}
	stop()
	r.until("spare stopped", func(s state.State) bool { return !s.Services["spare"].Alive() })
	r.inProcess()
	s := r.serving("spare")
	if s.Services["alpha"].Want() != "disabled" {
		t.Errorf("alpha is %s", s.Services["alpha"].Want())
	}
}

// A procd that takes the place of a killed one in the same boot restarts nothing,
// and knows what operators wanted.
func TestKilledProcdAdopts(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": `,"dependencies":["alpha"]`, "spare": `,"profiles":["other"]`})
	step := r.launcher()
	step("controller", events.StageStarting{Index: 4})
	step("services", events.StageStarting{Index: 6})
	first := r.child()
	before := r.serving("alpha", "beta")
	want(t, r.ask("spare", events.StartService{}), state.OutcomeCompleted, "")
	before = r.serving("spare")

	first.Process.Kill()
	first.Wait()
	r.child()
	after := r.until("all adopted", func(s state.State) bool {
		for _, id := range []events.Entity{"alpha", "beta", "spare"} {
			if s.Services[id].Seq <= before.Seq || !s.Services[id].Serving() {
				return false
			}
		}
		return true
	})
	for _, id := range []events.Entity{"alpha", "beta", "spare"} {
		a, b := before.Services[id], after.Services[id]
		if a.PID != b.PID || a.Instance != b.Instance || b.Restarts != 0 || fmt.Sprint(a.Ports) != fmt.Sprint(b.Ports) {
			t.Errorf("%s was %d %s %v, is %d %s %v", id, a.PID, a.Instance, a.Ports, b.PID, b.Instance, b.Ports)
		}
	}
	want(t, r.ask("beta", events.RestartService{}), state.OutcomeCompleted, "")
	if s := r.view.State().Services["beta"]; s.PID == before.Services["beta"].PID || s.Ports[0].Port != before.Services["beta"].Ports[0].Port {
		t.Errorf("beta after its restart: pid %d, ports %v", s.PID, s.Ports)
	}
	// A crash of an adopted service is noticed.
	if err := syscall.Kill(after.Services["alpha"].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("alpha replaced", func(s state.State) bool {
		return s.Services["alpha"].Serving() && s.Services["alpha"].PID != after.Services["alpha"].PID
	})
	if s := r.view.State().Services["spare"]; s.Want() != "started" || s.PID != before.Services["spare"].PID {
		t.Errorf("spare is %s with pid %d, was started with pid %d", s.Want(), s.PID, before.Services["spare"].PID)
	}
}

func TestLostBus(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "spare": `,"profiles":["other"]`})
	r.inProcess()
	r.serving("alpha")
	want(t, r.ask("spare", events.EnableService{}), state.OutcomeCompleted, "")
	before := r.view.State()
	r.bus.Down()
	if err := syscall.Kill(before.Services["spare"].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.bus.Up()
	after := r.until("state repeated", func(s state.State) bool {
		return s.Services["alpha"].Serving() && s.Services["spare"].Serving() && s.Services["spare"].PID != before.Services["spare"].PID
	})
	if after.Services["alpha"].PID != before.Services["alpha"].PID || after.Services["alpha"].Registered.Digest == "" {
		t.Errorf("alpha: %+v", after.Services["alpha"])
	}
	for bucket, part := range map[string]string{events.BucketDesired: `"enabled":true`, events.BucketSpecs: `"id":"spare"`} {
		value := ""
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		kv, err := r.op.Bucket(ctx, bucket)
		if err != nil {
			t.Fatal(err)
		}
		w, err := kv.Watch(ctx, events.DesiredKey(testbus.Node, "spare"))
		if err != nil {
			t.Fatal(err)
		}
		for value == "" {
			select {
			case e := <-w.Updates():
				if e != nil {
					value = string(e.Value())
				}
			case <-ctx.Done():
				t.Fatalf("%s does not come back", bucket)
			}
		}
		if !strings.Contains(value, part) {
			t.Errorf("%s: %s", bucket, value)
		}
		w.Stop()
		cancel()
	}
	want(t, r.ask("alpha", events.RestartService{}), state.OutcomeCompleted, "")
}

// Under a launcher nothing is stated before its stage, and nothing started before
// the stage of the services.
func TestStages(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": `,"dependencies":["core.pipelines"]`})
	step := r.launcher()
	step("config", events.StageStarting{Index: 1})
	stop := r.inProcess()
	step("controller", events.StageStarting{Index: 4})
	r.until("procd ready", func(s state.State) bool { return s.Ready[events.Procd].Ready })
	if s := r.view.State().Services["alpha"]; s.State != state.ServiceIdle || !s.Desired.Running {
		t.Errorf("before its stage alpha is %s", s.State)
	}
	step("services", events.StageStarting{Index: 6})
	step("pipelines", events.StageStarting{Index: 5})
	step("pipelines", events.StageReady{Index: 5})
	r.serving("alpha")
	step("services", events.StageReady{Index: 6})
	want(t, r.ask("alpha", events.StopService{}), state.OutcomeCompleted, "")
	stop()
	// A later procd of the same boot goes on where the first was.
	r.inProcess()
	r.until("procd ready", func(s state.State) bool { return s.Ready[events.Procd].Ready })
	if s := r.view.State().Services["alpha"]; s.Want() != "stopped" || s.State != state.ServiceStopped {
		t.Errorf("alpha is %s, %s", s.Want(), s.State)
	}
	want(t, r.ask("alpha", events.StartService{}), state.OutcomeCompleted, "")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	r := newRig(t, map[string]string{"crashy": `,"profiles":[]`})
	spec := func(id, text string) {
		if err := os.WriteFile(filepath.Join(r.root, "specs", id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec("held", fmt.Sprintf(`{"id":"held","process":{"command":"/bin/true"},"ports":{"primary":{"port":%d}}}`, port))
	spec("absent", `{"id":"absent","process":{"command":"/no/such/binary"}}`)
	spec("fetched", `{"id":"fetched","dep":{"name":"x","source":"oci","version":"1","asset":"127.0.0.1:1/team/x"},"process":{"command":"x"}}`)
	data := filepath.Join(r.root, "local", "data", "crashy")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "crash"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.inProcess()
	expected := map[events.Entity][]string{
		"held":    {"could not be started 7 times", fmt.Sprintf("port %d/tcp is held by pid %d (", port, os.Getpid())},
		"absent":  {"absent.json:1:", "process.command: /no/such/binary does not exist"},
		"fetched": {"prepare fetched: dependency x (oci): x@1 from oci is not locked in ", "run `launcher dep lock x` and keep the file"},
		"crashy":  {"ended 7 times within", "exit status 3"},
	}
	sent := map[events.Entity]events.ID{}
	for id := range expected {
		sent[id] = r.send(id, events.StartService{})
	}
	for id, parts := range expected {
		o := r.outcome(sent[id])
		for _, part := range parts {
			if o.State != state.OutcomeFailed || !strings.Contains(o.Reason, part) {
				t.Errorf("%s: %s %q, want %q", id, o.State, o.Reason, part)
			}
		}
	}
	last := r.view.State().Services["crashy"].LastExit
	if last == nil || len(last.LastLines) != 1 || last.LastLines[0] != "no more" {
		t.Errorf("the last words of crashy: %+v", last)
	}
	if err := os.Remove(filepath.Join(data, "crash")); err != nil {
		t.Fatal(err)
	}
	want(t, r.ask("crashy", events.StartService{}), state.OutcomeCompleted, "")
}

// One service's damaged credential is that service's affair, until it is gone.
func TestDamagedCredential(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": "", "beta": `,"dependencies":["core.bus"]`})
	layout := config.Layout{Dir: filepath.Join(r.root, string(testbus.Node))}
	seed := layout.Seed("beta")
	if err := errors.Join(os.MkdirAll(layout.Keys(), 0o700), os.WriteFile(seed, []byte("none\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r.inProcess()
	r.serving("alpha")
	reason := "the credential " + seed + " is no nkey seed of a user: "
	if o := r.ask("beta", events.StartService{}); o.State != state.OutcomeFailed || !strings.Contains(o.Reason, reason) {
		t.Errorf("%s: %s", o.State, o.Reason)
	}
	if err := os.Remove(seed); err != nil {
		t.Fatal(err)
	}
	want(t, r.ask("beta", events.StartService{}), state.OutcomeCompleted, "")
}

func TestNonsenseIsKeptAside(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	r.inProcess()
	r.serving("alpha")
	launcher := r.bus.Connect(events.Launcher)
	subject := events.FactSubject(testbus.Node, events.Launcher, "edge", "ready")
	if _, err := launcher.JS.Publish(t.Context(), string(subject), []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	s := r.until("kept aside", func(s state.State) bool { return s.Dead.Count > 0 && s.Dead.Kept == s.Dead.Seq })
	if !s.Services["alpha"].Serving() || s.Dead.Count != 1 {
		t.Errorf("%+v", s.Dead)
	}
}

func TestWrongSpecsEndProcd(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": `,"dependencies":["beta"]`, "beta": `,"dependencies":["alpha"]`})
	cmd := r.child()
	err := cmd.Wait()
	if err == nil || !strings.Contains(cmd.Stderr.(*testproc.Buffer).String(), "alpha → beta → alpha") {
		t.Errorf("%v: %s", err, cmd.Stderr)
	}
}
