package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/harness"
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
	if err := b.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-b.done
	b.ended = true
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
