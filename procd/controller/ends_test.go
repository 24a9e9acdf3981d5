package controller_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Each end counts once and a completed oneshot stays so, with what follows it, though the bus and procd are
// killed together, and the service in between.
func TestEndsOutliveBusAndProcd(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	ran := filepath.Join(t.TempDir(), "ran")
	r.write("job", fmt.Sprintf(`{"id":"job","process":{"type":"oneshot","command":"/bin/sh","args":["-c","echo once >>%[1]s"],
		"postStop":[{"command":["sh","-c","echo after >>%[1]s"]}]},"profiles":["default"]}`, ran))
	step := r.launcher()
	step("controller", events.StageStarting{Index: 4})
	step("services", events.StageStarting{Index: 6})
	procd := r.child()
	for restarts := 0; ; restarts++ {
		s := r.until(fmt.Sprintf("alpha serves with %d restarts and the job is done", restarts), func(s state.State) bool {
			alpha := s.Services["alpha"]
			return alpha.Serving() && alpha.Restarts >= restarts && s.Services["job"].State == state.ServiceCompleted
		})
		if n := s.Services["alpha"].Restarts; n != restarts {
			t.Fatalf("alpha was killed %d times and has %d restarts", restarts, n)
		}
		if restarts == 3 {
			break
		}
		procd.Process.Kill()
		procd.Wait()
		if err := syscall.Kill(s.Services["alpha"].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.bus.Restart()
		r.view = r.newView()
		procd = r.child()
	}
	if text, err := os.ReadFile(ran); err != nil || string(text) != "once\nafter\n" {
		t.Errorf("the job ran: %q (%v)", text, err)
	}
}
