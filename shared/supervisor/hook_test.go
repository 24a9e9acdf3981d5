package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// hooked is a service that waits, with hooks that sh runs.
func hooked(t *testing.T, more string, hooks ...string) spec.Located {
	t.Helper()
	return located(t, fmt.Sprintf(`{"id":"alpha","process":{"command":"sleep","args":["1000"]%s,%s}}`, more, strings.Join(hooks, ",")), nil)
}

// sh is a list with one hook.
func sh(list, script, more string) string {
	return fmt.Sprintf(`%q:[{"command":["sh","-c",%q]%s}]`, list, script, more)
}

func beginHooked(t *testing.T, b *supervisor.Services, leave error, change func(*supervisor.Options)) *real {
	return beginReal(t, b, leave, func(o *supervisor.Options) {
		o.After = b.After
		if change != nil {
			change(o)
		}
	})
}

func (r *real) register(t *testing.T, s ...spec.Located) {
	t.Helper()
	if err := r.Register(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func logOf(t *testing.T, b *supervisor.Services) []string {
	t.Helper()
	text, err := os.ReadFile(b.Layout.Log("alpha"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestHooks(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	r.register(t, located(t, `{"id":"alpha","process":{"command":"sh","args":["-c","echo running; exec sleep 1000"],"env":{"WORD":"w"},
		"preStart":[
			{"command":["sh","-c","echo one $WORD; echo two >&2; pwd; printf end"]},
			{"command":["false"],"ignoreFailure":true},
			{"command":["no-such-command"],"ignoreFailure":true},
			{"command":["sh","-c","sleep 1000 & echo three"]}],
		"postStop":[{"command":["sh","-c","echo code=$CORE_EXIT_CODE signal=$CORE_EXIT_SIGNAL"]},{"command":["sh","-c","echo last"]}]}}`, nil))
	v := r.until(t, "alpha", "serves", state.Service.Serving)
	waitFor(t, "its line", func() bool { return slices.Contains(logOf(t, b), "running") })
	if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until(t, "alpha", "is started again", func(w state.Service) bool { return w.Serving() && w.PID != v.PID })
	if err := r.Desire("alpha", false, "c1"); err != nil {
		t.Fatal(err)
	}
	r.until(t, "alpha", "is stopped", func(v state.Service) bool { return v.State == state.ServiceStopped })
	log := logOf(t, b)
	slices.Sort(log[:4]) // the streams of one hook have no order between them
	before := []string{"preStart[0]: " + b.Layout.Data("alpha"), "preStart[0]: end", "preStart[0]: one w", "preStart[0]: two", "preStart[3]: three", "running"}
	if len(log) < 6 || !slices.Equal(log[:6], before) {
		t.Errorf("log %q, want %q", log, before)
	}
	for _, want := range []string{"postStop[0]: code= signal=SIGKILL", "postStop[0]: code= signal=SIGTERM", "postStop[1]: last"} {
		if !slices.Contains(log, want) {
			t.Errorf("no %q in %q", want, log)
		}
	}
	if left, _ := os.ReadDir(b.Layout.Run()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestPreStartFails(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	r.register(t, hooked(t, `,"restartPolicy":{"budget":{"restarts":1}}`, sh("preStart", "echo cannot; echo go on; exit 3", "")))
	v := r.until(t, "alpha", "fails", func(v state.Service) bool { return v.State == state.ServiceFailed })
	const reason = "process.preStart[0] failed: exit status 3: cannot | go on"
	if !strings.HasSuffix(v.Reason, ": "+reason) || !strings.HasPrefix(v.Reason, "could not be started 2 times") {
		t.Error(v.Reason)
	}
	if x := v.LastExit; x == nil || x.Reason != reason || !slices.Equal(x.LastLines, []string{"cannot", "go on"}) {
		t.Errorf("%+v", x)
	}
	expect(t, r.told("alpha")[2:6], "starting", "exited: "+reason, "starting", "exited: "+reason)
}

// gone waits until the process that wrote its pid to a file has ended.
func gone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(string(text), &pid)
	waitFor(t, fmt.Sprintf("process %d to end", pid), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// stuck is a hook that neither it nor its child leaves off by itself. It writes the
// child's pid to a file of the data directory.
const stuck = "trap '' TERM; (trap '' TERM; sleep 1000) & echo $! > child.new; mv child.new child; wait; sleep 1000"

func TestHookTimeout(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	r.register(t, hooked(t, `,"restartPolicy":"never"`, sh("preStart", stuck, `,"timeout":"300ms"`)))
	v := r.until(t, "alpha", "fails", func(v state.Service) bool { return v.State == state.ServiceFailed })
	if !strings.Contains(v.Reason, "process.preStart[0] failed: not done after 300ms, so it was killed: raise its timeout") {
		t.Error(v.Reason)
	}
	gone(t, filepath.Join(b.Layout.Data("alpha"), "child"))
}

func TestStopDuringHook(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	r.register(t, hooked(t, "", sh("preStart", stuck, "")))
	child := filepath.Join(b.Layout.Data("alpha"), "child")
	waitFor(t, "the hook to run", func() bool { _, err := os.Stat(child); return err == nil })
	if err := r.Desire("alpha", false, "c1"); err != nil {
		t.Fatal(err)
	}
	r.until(t, "alpha", "is stopped", func(v state.Service) bool { return v.State == state.ServiceStopped })
	gone(t, child)
	expect(t, r.told("alpha")[2:], "starting", "desired", "stopping: not wanted", "exited: stopped before it ran, expected", "stopped: not wanted")
}

// What a supervisor leaves of a hook its successor ends, and begins again with what
// the hook belongs to.
func TestLeaveDuringHooks(t *testing.T) {
	for name, hook := range map[string]string{"preStart": "1", "postStop": "2"} {
		t.Run(name, func(t *testing.T) {
			b := builder(t)
			first := beginHooked(t, b, supervisor.ErrLeave, nil)
			data := b.Layout.Data("alpha")
			child := filepath.Join(data, "child")
			// The second time it does not wait.
			s := hooked(t, "", sh(name, `echo run `+hook+` $CORE_EXIT_SIGNAL; if test -e child; then exit; fi; `+stuck, ""))
			first.register(t, s)
			if name == "postStop" {
				v := first.until(t, "alpha", "serves", state.Service.Serving)
				if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			waitFor(t, "the hook to run", func() bool { _, err := os.Stat(child); return err == nil })
			prior := first.Supervisor.State()
			first.end()

			second := beginHooked(t, b, nil, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
			second.register(t, s)
			gone(t, child)
			second.until(t, "alpha", "serves", state.Service.Serving)
			runs := 0
			signal := map[string]string{"postStop": " SIGKILL"}[name]
			for _, line := range logOf(t, b) {
				if line == name+"[0]: run "+hook+signal {
					runs++
				}
			}
			if exit := second.Supervisor.State().Services["alpha"].LastExit; signal != "" && (exit == nil || exit.Signal != "SIGKILL" || exit.Expected) {
				t.Errorf("its end was %+v", exit)
			}
			if runs != 2 {
				t.Errorf("it ran %d times: %q", runs, logOf(t, b))
			}
		})
	}
}

// While what follows an end runs, the service is stopping, with the end as the reason
// where nobody asked for it; a drain waits for it and says so.
func TestStoppingDuringPostStop(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	data := b.Layout.Data("alpha")
	r.register(t, hooked(t, `,"restartPolicy":{"budget":{"restarts":5}}`, sh("postStop", "touch begun; while ! test -e go; do sleep 0.01; done; rm begun go", "")))
	v := r.until(t, "alpha", "serves", state.Service.Serving)
	begun := func() {
		t.Helper()
		waitFor(t, "the hook to run", func() bool { _, err := os.Stat(data + "/begun"); return err == nil })
	}
	proceed := func() {
		t.Helper()
		if err := os.WriteFile(data+"/go", nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	begun()
	w, _ := r.Service("alpha")
	if want := "ended: killed by SIGKILL; its postStop commands run"; w.State != state.ServiceStopping || w.Reason != want || w.LastExit != nil {
		t.Errorf("it is %s: %s; want %s", w.State, w.Reason, want)
	}
	proceed()
	r.until(t, "alpha", "is started again", func(w state.Service) bool { return w.Serving() && w.PID != v.PID && w.Restarts == 1 })

	drained := make(chan error, 1)
	soon, cancel := context.WithCancel(t.Context())
	go func() { drained <- r.Drain(soon, "the node goes down") }()
	begun()
	if w, _ := r.Service("alpha"); w.State != state.ServiceStopping || w.Reason != "the node goes down" {
		t.Errorf("it is %s: %s", w.State, w.Reason)
	}
	cancel()
	if err := <-drained; err == nil || !strings.Contains(err.Error(), "held by alpha") {
		t.Error(err)
	}
	proceed()
	if err := r.Drain(t.Context(), "the node goes down"); err != nil {
		t.Error(err)
	}
	told := r.told("alpha")
	expect(t, told[5:], "stopping: ended: killed by SIGKILL; its postStop commands run", "exited: SIGKILL", "starting", "started", "healthy",
		"stopping: the node goes down", "exited: SIGTERM, expected", "stopped: the node goes down")
}

// The end of a supervisor waits for hooks as it does for processes.
func TestEndDuringPostStop(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	r.register(t, hooked(t, "", sh("postStop", "sleep 0.2; echo done", "")))
	r.until(t, "alpha", "serves", state.Service.Serving)
	r.end()
	if log := logOf(t, b); !slices.Contains(log, "postStop[0]: done") {
		t.Errorf("%q", log)
	}
}

func TestReload(t *testing.T) {
	b := builder(t)
	r := beginHooked(t, b, nil, nil)
	alpha := located(t, `{"id":"alpha","process":{"command":"sh","args":["-c","trap 'echo reloaded > told' HUP; sleep 1000 & : > ready; while :; do wait; done"],"reloadSignal":"HUP"}}`, nil)
	beta := located(t, `{"id":"beta","process":{"command":"sleep","args":["1000"]}}`, nil)
	r.register(t, alpha, beta)
	v := r.until(t, "alpha", "serves", state.Service.Serving)
	r.until(t, "beta", "serves", state.Service.Serving)
	data := b.Layout.Data("alpha")
	waitFor(t, "its trap", func() bool { _, err := os.Stat(data + "/ready"); return err == nil })
	if err := r.Reload("alpha"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it to be told", func() bool { _, err := os.Stat(data + "/told"); return err == nil })
	if w, _ := r.Service("alpha"); w.PID != v.PID || w.Registered.Reload != "SIGHUP" {
		t.Errorf("%+v", w)
	}
	for id, want := range map[events.Entity]string{
		"beta": "the spec of beta has no process.reloadSignal: restart it", "gamma": `service "gamma" is not registered: ` + "`launcher status` lists those that are",
	} {
		if err := r.Reload(id); err == nil || err.Error() != want {
			t.Error(err)
		}
	}
	if err := r.Drain(context.Background(), "done"); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload("alpha"); err == nil || err.Error() != "alpha does not run: start it" {
		t.Error(err)
	}
}

// Only what a spec needs is given to its user, and to nobody else.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	b := builder(t)
	for dir := b.Layout.Root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	l := b.Layout
	if err := os.MkdirAll(l.Secrets(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.Secrets(), "s"), []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "alpha.env"), []byte("FROM_FILE='a b'\nWORD=lost\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := beginHooked(t, b, nil, nil)
	r.register(t, located(t, `{"id":"alpha","process":{"command":"sh","args":["-c","exec 2>&1; id -un; id -gn; echo $HOME $USER; cat $CORE_CONFIG_DIR/a; echo $FROM_FILE $WORD; echo mine > file; ls {node.dir} {node.dir}/secrets; cat {node.dir}/secrets/s; exec sleep 1000"],
		"user":"nobody","group":"daemon","env":{"WORD":"kept"},"envFile":["alpha.env","-missing.env"],
		"preStart":[{"command":["sh","-c","id -un > who"]}],
		"ensure":[{"type":"file","target":"{shared.config.dir}/a","content":"for it"}]}}`, nil))
	r.until(t, "alpha", "serves", state.Service.Serving)
	waitFor(t, "its lines", func() bool { return strings.Contains(strings.Join(logOf(t, b), "\n"), "/secrets/s") })
	log := strings.Join(logOf(t, b), "\n")
	for _, want := range []string{"nobody\ndaemon\n/nonexistent nobody\nfor ita b kept\n", "Permission denied"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	if strings.Contains(log, "hidden") || strings.Contains(log, "Permission denied\nsecrets") {
		t.Errorf("it sees too much:\n%s", log)
	}
	if who, err := os.ReadFile(filepath.Join(l.Data("alpha"), "who")); string(who) != "nobody\n" {
		t.Error(string(who), err)
	}
}

func TestBuildRefusesAttributes(t *testing.T) {
	for text, want := range map[string]string{
		`"user":"no-such-user"`:            `process.user: there is no user "no-such-user": want the name or number of a user of this machine: add it with useradd`,
		`"group":"no-such-group"`:          `process.group: there is no group "no-such-group": want the name or number of a group of this machine: add it with groupadd`,
		`"user":54321`:                     `process.user: this machine knows no user 54321, hence no group of it: want process.group beside it`,
		`"envFile":["x.env"]`:              `process.envFile[0]: there is no file `,
		`"envFile":["/etc"]`:               `process.envFile[0]: /etc: want a file of at most 1048576 bytes`,
		`"envFile":["bad.env"]`:            `/bad.env:2:1: the line has no "="`,
		`"preStart":[{"command":["/no"]}]`: "",
	} {
		b := builder(t)
		if err := os.WriteFile(filepath.Join(b.Layout.Dir, "bad.env"), []byte("A=1\nsecret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.Build(t.Context(), located(t, `{"id":"alpha","process":{"command":"true",`+text+`}}`, nil), supervisor.Instance{Name: "i"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}
