package boot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/boot"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/testutil/testproc"
)

// At its deadline an end leaves the node as it is, for another one.
func TestEndWithinItsTime(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first, _, _ := launched(t, root)
	first.Process.Signal(syscall.SIGKILL)
	first.Wait()
	c := config.Default()
	c.Name, c.Root = "test", root
	end := func(ctx context.Context) (bool, error) {
		o := boot.Options{Config: c, InProcess: events.Daemons(), Wrap: children(testproc.Self(t), nil)}
		var w watched
		w.options(&o)
		return boot.New(o).End(ctx)
	}
	before := harness.Processes(root)
	procd := pidOf(t, root, "procd")
	if err := syscall.Kill(procd, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			syscall.Kill(procd, syscall.SIGCONT)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if ran, err := end(ctx); !ran || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("something ran: %t, %v", ran, err)
	}
	if now := harness.Processes(root); !slices.Equal(now, before) {
		t.Errorf("there run %v, before %v", now, before)
	}
	syscall.Kill(procd, syscall.SIGCONT)
	if ran, err := end(t.Context()); !ran || err != nil {
		t.Errorf("something ran: %t, %v", ran, err)
	}
	if left := append(harness.Processes(root), leftovers(t, c.Layout())...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// pidOf is the process of a root that is a program of this test binary.
func pidOf(t *testing.T, root, program string) int {
	t.Helper()
	for _, line := range harness.Processes(root) {
		pid, _, _ := strings.Cut(line, " ")
		env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), fmt.Sprintf("%s=%s", testproc.Variable, program)) {
			continue
		}
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("no %s among %v", program, harness.Processes(root))
	return 0
}
