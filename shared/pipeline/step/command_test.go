package step_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/step"
)

// log collects what a step writes and hands over the first pid in it.
type log struct {
	mu   sync.Mutex
	text strings.Builder
	pid  chan int
	told bool
}

func newLog() *log { return &log{pid: make(chan int, 1)} }

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	var pid int
	if n, _ := fmt.Sscanf(l.text.String(), "waiting %d\n", &pid); n == 1 && strings.HasSuffix(l.text.String(), "\n") && !l.told {
		l.told = true
		l.pid <- pid
	}
	return len(b), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func job(t *testing.T) (pipeline.Job, *log) {
	l := newLog()
	return pipeline.Job{Step: "s", Attempt: 1, Mark: t.TempDir(), Log: l}, l
}

func self(mode string, env ...string) step.Command {
	return step.Command{Name: os.Args[0], Env: append(env, "STEP_TEST="+mode), StopTimeout: 10 * time.Second}
}

func TestOutputIsTheLog(t *testing.T) {
	j, l := job(t)
	if err := step.Run(t.Context(), j, self("talk")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"to standard output\n", "to standard error\n"} {
		if !strings.Contains(l.String(), want) {
			t.Errorf("the log %q lacks %q", l, want)
		}
	}
	j, l = job(t)
	out, err := step.Output(t.Context(), j, self("talk"))
	if err != nil || string(out) != "to standard output\n" || l.String() != "to standard error\n" {
		t.Errorf("got %q, %v and the log %q", out, err, l)
	}
}

func TestFailure(t *testing.T) {
	j, l := job(t)
	err := step.Run(t.Context(), j, self("fail"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasSuffix(err.Error(), ": exit status 3") {
		t.Errorf("got %v", err)
	}
	if l.String() != "something is wrong\n" {
		t.Errorf("log %q", l)
	}
	err = step.Run(t.Context(), j, step.Command{Name: "no-such-command", Args: []string{"-x"}})
	if want := "no-such-command -x: exec: \"no-such-command\": executable file not found in $PATH: install no-such-command or add its directory to PATH"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	err = step.Run(t.Context(), j, step.Command{Name: os.Args[0], Dir: "/no/such/directory"})
	if err == nil || !strings.Contains(err.Error(), "start step.test: ") || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("got %v", err)
	}
}

func TestCancelStopsTheGroup(t *testing.T) {
	for _, c := range []struct {
		name    string
		command step.Command
	}{
		{"leader", self("wait")},
		{"stubborn", self("stubborn")},
		{"child", self("parent", "STEP_STAY=1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "stubborn" {
				c.command.StopTimeout = 20 * time.Millisecond
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			j, l := job(t)
			done := make(chan error, 1)
			go func() { done <- step.Run(ctx, j, c.command) }()
			pid := <-l.pid
			cancel(errors.New("cancelled on request"))
			if err := <-done; err == nil || err.Error() != "step.test: cancelled on request" {
				t.Errorf("got %v", err)
			}
			if !gone(pid) {
				t.Errorf("process %d still runs", pid)
			}
			if err := step.Run(ctx, j, c.command); err == nil || err.Error() != "step.test: cancelled on request" {
				t.Errorf("started after the end: %v", err)
			}
		})
	}
}

func TestNothingOfACommandIsLeft(t *testing.T) {
	j, l := job(t)
	if err := step.Run(t.Context(), j, self("parent")); err != nil {
		t.Fatal(err)
	}
	if pid := <-l.pid; !gone(pid) {
		t.Errorf("process %d still runs", pid)
	}
}

// A process that left the group keeps the pipe open; Run returns all the same,
// and the mark finds it.
func TestLeftovers(t *testing.T) {
	j, l := job(t)
	began := time.Now()
	if err := step.Run(t.Context(), j, self("runaway")); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("returned after %s", took)
	}
	pid := <-l.pid
	if n, err := step.KillLeftovers(j.Mark + "0"); n != 0 || err != nil {
		t.Errorf("killed %d of another step, %v", n, err)
	}
	if n, err := step.KillLeftovers(j.Mark); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	if !gone(pid) {
		t.Errorf("process %d still runs", pid)
	}
	if _, err := step.KillLeftovers(""); err == nil {
		t.Error("an empty mark would match anything")
	}
}
