package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/testutil/testproc"
)

// pidOf finds the running daemon of a node by its binary and root.
func pidOf(t *testing.T, root string, daemon events.Source) int {
	t.Helper()
	for _, p := range harness.Processes(root) {
		pid, command, _ := strings.Cut(p, " ")
		if filepath.Base(strings.Fields(command)[0]) == string(daemon) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// kill -9 of any daemon heals without an operator: alpha is served again, and a
// service that was healthy is not restarted.
func TestDaemonsHeal(t *testing.T) {
	t.Parallel()
	b := up(t)
	instances := func() map[string]int {
		pids := map[string]int{}
		for _, s := range b.status().Services {
			if s.Desired == "enabled" {
				pids[string(s.ID)] = s.PID
			}
		}
		return pids
	}
	before := instances()
	for _, d := range events.Daemons() {
		old := pidOf(t, b.root, d)
		if old == 0 {
			t.Fatalf("%s does not run", d)
		}
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, string(d)+" is back", func() bool {
			now := pidOf(t, b.root, d)
			return now != 0 && now != old
		})
		until(t, "the node is whole again after the loss of "+string(d), func() bool {
			out, _, code := b.run("status", "--output", "json")
			return code == 0 && strings.Count(out, `"healthy"`) >= len(before)
		})
		until(t, "alpha is served after the loss of "+string(d), func() bool {
			code, _ := b.get("alpha.localhost", "/greetings")
			return code == http.StatusOK
		})
		if after := instances(); len(after) != len(before) {
			t.Errorf("after the loss of %s: services %v, before %v", d, after, before)
		} else {
			for id, pid := range before {
				if after[id] != pid {
					t.Errorf("the loss of %s restarted %s: pid %d, before %d", d, id, after[id], pid)
				}
			}
		}
		if _, errs, code := b.run("restart", "beta"); code != 0 {
			t.Errorf("restart beta after the loss of %s: exit %d\n%s", d, code, errs)
		}
		before = instances()
	}
}

// After kill -9 of the launcher the node runs on, and the next up takes it over
// without restarting a service.
func TestLauncherKilled(t *testing.T) {
	t.Parallel()
	b := up(t)
	before := b.status().Services
	b.killLauncher()
	if code, _ := b.get("alpha.localhost", "/greetings"); code != http.StatusOK {
		t.Errorf("alpha without a launcher: status %d", code)
	}
	b.ended = false
	b.start()
	for i, s := range b.status().Services {
		if s.PID != before[i].PID {
			t.Errorf("%s was restarted: pid %d, before %d", s.ID, s.PID, before[i].PID)
		}
	}
}

// killLauncher ends the launcher as a crash would.
func (b *binaries) killLauncher() {
	b.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	<-b.done
	b.ended = true
}

// Without its launcher a node says so, and down ends all of it in order: services by
// procd, and where that was killed too without it.
func TestDownWithoutLauncher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		killed []events.Source // beside the launcher
		status int             // its exit status
		down   string          // what down says
	}{
		{"alone", nil, 0, "is down in"},
		{"with procd", []events.Source{events.Procd}, 0, "is down in"},
		{"with busd", []events.Source{events.Busd}, 1, "is down in"},
		{"with all", events.Daemons(), 1, "is down in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := up(t)
			launcher := b.cmd.Process.Pid
			b.must("stop", "beta")
			if !strings.Contains(b.must("status", "--output", "json"), fmt.Sprintf("\"launcher\": {\n    \"pid\": %d,\n    \"running\": true\n  }", launcher)) {
				t.Error("status does not have the launcher")
			}
			b.killLauncher()
			for _, d := range tt.killed {
				if err := syscall.Kill(pidOf(t, b.root, d), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			out, errs, code := b.run("status", "--output", "json")
			if code != tt.status || code == 0 && (!strings.Contains(out, fmt.Sprintf("\"pid\": %d,\n    \"running\": false", launcher)) ||
				!strings.HasPrefix(errs, fmt.Sprintf("note: the launcher (pid %d) is gone and its daemons run on: ", launcher))) {
				t.Errorf("status: exit %d\n%s%s", code, out, errs)
			}
			out, errs, code = b.run("down")
			if code != 0 || !strings.Contains(out, tt.down) || !strings.Contains(errs, fmt.Sprintf("the launcher of node \"local\" (pid %d) is gone: taking down what it left", launcher)) {
				t.Errorf("down: exit %d\n%s%s", code, out, errs)
			}
			b.nothingLeft()
			if d, err := os.ReadFile(filepath.Join(b.root, "local", "decisions.json")); err != nil || strings.Contains(string(d), "beta") {
				t.Errorf("a stop holds longer than the boot: %v\n%s", err, d)
			}
			if out, errs, code = b.run("down"); code != 0 || out != "" || !strings.Contains(errs, "is not running") {
				t.Errorf("down again: exit %d\n%s%s", code, out, errs)
			}
			if len(tt.killed) > 0 {
				return
			}
			b.ended = false
			b.start()
			if got := b.wants("beta"); got["beta"] != "enabled running" {
				t.Errorf("at the next boot beta is %s", got["beta"])
			}
		})
	}
}

// A launcher that is killed while it takes the node down does not leave it half way:
// the down that waits for it goes on, and an up brings the services back.
func TestLauncherKilledGoingDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slow := `{"id":"slow","profiles":["default"],"process":{"command":"/bin/sh","args":["-c","trap '' TERM; while :; do sleep 1; done"],"stopTimeout":"4s"}}`
	if err := os.WriteFile(filepath.Join(dir, "slow.json"), []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	b := up(t, "--specs", dir)
	half := func() (down *exec.Cmd, said *testproc.Buffer) {
		t.Helper()
		down, said = exec.Command(b.launcher, "down", "--root", b.root), &testproc.Buffer{}
		down.Stdout, down.Stderr = said, said
		if err := down.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "slow is being stopped", func() bool { return strings.HasSuffix(b.wants("slow")["slow"], " stopping") })
		return down, said
	}
	down, _ := half()
	down.Process.Kill()
	down.Wait()
	b.killLauncher()
	b.ended = false
	b.start("--specs", dir)
	for id, is := range b.wants("alpha", "beta", "slow") {
		if is != "enabled running" {
			t.Errorf("%s is %s", id, is)
		}
	}

	down, said := half()
	b.killLauncher()
	if err := down.Wait(); err != nil || !strings.Contains(said.String(), "is gone: taking down what it left") || !strings.Contains(said.String(), "node local is down in") {
		t.Errorf("down: %v\n%s", err, said)
	}
	b.nothingLeft()
}

// Where everything was killed, down removes what is left in the node directory.
func TestDownOfNothing(t *testing.T) {
	t.Parallel()
	b := up(t)
	b.killLauncher()
	var killed []string
	for _, p := range harness.Processes(b.root) {
		pid, _, _ := strings.Cut(p, " ")
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed = append(killed, pid)
	}
	until(t, "all is gone", func() bool {
		return !slices.ContainsFunc(killed, dying) && len(harness.Processes(b.root)) == 0
	})
	out, errs, code := b.run("down")
	if code != 0 || !strings.Contains(out, "node local was down already: removed what was left of it in "+filepath.Join(b.root, "local")) {
		t.Errorf("down: exit %d\n%s%s", code, out, errs)
	}
	b.nothingLeft()
}

// dying reports whether a process that was killed is not dead yet: its environment is
// gone before it is.
func dying(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// nothingLeft checks that neither a process nor what stands for one is left.
func (b *binaries) nothingLeft() {
	b.t.Helper()
	for _, left := range harness.Processes(b.root) {
		b.t.Errorf("left behind: %s", left)
	}
	left, err := filepath.Glob(filepath.Join(b.root, "local", "run", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(b.root, "local", "run", "daemons", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range append(left, more...) {
		if filepath.Base(f) != "daemons" {
			b.t.Errorf("left behind: %s", f)
		}
	}
}

// A second up on the same root names the pid that holds it and changes nothing.
func TestSecondUp(t *testing.T) {
	t.Parallel()
	b := up(t)
	_, errs, code := b.run("up")
	if code != 1 || !strings.Contains(errs, strconv.Itoa(b.cmd.Process.Pid)) {
		t.Errorf("second up: exit %d\n%s", code, errs)
	}
	if len(b.status().Services) == 0 {
		t.Error("the first node lost its services")
	}
}

// A port held by another process is named with its holder, before anything starts.
func TestPortHeld(t *testing.T) {
	t.Parallel()
	launcher, err := launcherBinary()
	if err != nil {
		t.Fatal(err)
	}
	b := &binaries{t: t, launcher: launcher, root: t.TempDir()}
	harness.ShareBinaries(t, filepath.Dir(filepath.Dir(filepath.Dir(launcher))), b.root)
	address := busy(t)
	_, errs, code := b.run("up", "--edge.listen", address, "--bus.listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("up with a held port: exit %d\n%s", code, errs)
	}
	if left := harness.Processes(b.root); len(left) > 0 {
		t.Errorf("left half-started: %v", left)
	}
}
