//go:build linux

package reach

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"core.internal/shared/testutil/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	var files Files
	for _, c := range [][2]string{{dir, "/bin/sh"}, {"", "/bin/sh"}, {dir + "/not", dir + "/not"}, {fifo, fifo}, {dir, dir}, {"", ""}} {
		if err := files.Answer(t.Context(), c[0], c[1]); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
}

// What does not answer is asked once, however many wait for it.
func TestNoAnswer(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	lease := testproc.TakeLease(t, program)
	var files Files
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	ask := func(patience time.Duration) error {
		ctx, done := context.WithTimeout(t.Context(), patience)
		defer done()
		return files.Answer(ctx, "", program)
	}
	before := threads()
	for range 50 {
		if err := ask(time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	if n := threads(); n > before+10 {
		t.Errorf("%d threads, before %d", n, before)
	}
	lease.Free()
	if err := ask(time.Minute); err != nil {
		t.Error(err)
	}
}
