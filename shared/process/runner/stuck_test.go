//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
	"core.internal/shared/testutil/testproc"
)

// A start whose program gets no answer from its file system hinders nobody: no other
// start, and no garbage collection, for which a fork that waits would stop everything.
func TestStuckProgram(t *testing.T) {
	b := start(t, nil)
	program := filepath.Join(t.TempDir(), "program")
	code, err := os.ReadFile("/bin/true")
	if err == nil {
		err = os.WriteFile(program, code, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	lease := testproc.TakeLease(t, program)
	defer lease.Free()
	begin := func(ctx context.Context, id string) <-chan error {
		c := b.script(id, "", process.Attributes{})
		c.Path, c.Args = program, nil
		ended := make(chan error, 1)
		go func() {
			_, err := b.Start(ctx, c)
			ended <- err
		}()
		return ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	one, two := begin(ctx, "one"), begin(t.Context(), "two")
	eventually(t, "the lease is in the way", lease.Asked)
	runtime.GC()
	for i := range 10 {
		wait(t, b.start(b.script(fmt.Sprint("other", i), "true", process.Attributes{})))
	}
	cancel()
	var e *StartError
	if err := <-one; !errors.As(err, &e) || !errors.Is(err, context.Canceled) || !strings.Contains(e.Fix, "mount") {
		t.Errorf("got %v", err)
	}
	select {
	case err := <-two:
		t.Errorf("it did not wait: %v", err)
	default:
	}
	lease.Free()
	if err := <-two; err != nil {
		t.Error(err)
	}
}

// Where this process may open no more files a start fails, says so and leaves nothing,
// at whichever file that is.
func TestStartWithoutFiles(t *testing.T) {
	b := start(t, nil)
	wait(t, b.start(b.script("first", "true", process.Attributes{})))
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }
	defer restore()
	before := len(children(os.Getpid()))
	reasons := map[string]bool{}
	for more := uint64(0); ; more++ {
		c := b.script("alpha", "true", process.Attributes{})
		next, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0) // the lowest that is free
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(next)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next) + more, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		p, err := b.Start(t.Context(), c)
		restore()
		if err == nil {
			wait(t, p)
			break
		}
		var e *StartError
		if !errors.As(err, &e) || !errors.Is(err, unix.EMFILE) || e.Fix != "raise the limit of open files" {
			t.Errorf("%d more: %v", more, err)
		}
		reasons[filepath.Base(e.Path)] = true
		if names := left(t, b.dir); strings.Contains(fmt.Sprint(names), "alpha") {
			t.Errorf("%d more: left %v", more, names)
		}
		if n := len(children(os.Getpid())); n > before {
			t.Errorf("%d more: %d children, before %d", more, n, before)
		}
	}
	if len(reasons) < 3 {
		t.Errorf("it failed at %v alone", reasons)
	}
}
