package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/oklog/run"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
		code int
	}{
		{nil, "", ExitOK},
		{ErrInterrupted, "", ExitInterrupted},
		{errReported, "", ExitFailed},
		{errors.New("it broke"), "error: it broke\n", ExitFailed},
		{errors.Join(errors.New("one"), errors.New("two")), "error: one\nerror: two\n", ExitFailed},
		{&config.UsageError{Err: errors.Join(errors.New("one"), &fixOnly{"do it"})}, "error: one\nfix: do it\n", ExitUsage},
		{fmt.Errorf("stage bus: %w\nlast log lines:\n  port in use\nfix: stop it", errors.New("not ready")),
			"error: stage bus: not ready\nlast log lines:\n  port in use\nfix: stop it\n", ExitFailed},
		{&Problem{Err: errors.New("not there"), Tried: []string{"here", "there"}, Fix: "look elsewhere"},
			"error: not there\n  tried: here\n  tried: there\nfix: look elsewhere\n", ExitFailed},
		// Two causes in one sentence stay one sentence.
		{fmt.Errorf("%w, since %w", errors.New("late"), errors.New("lazy")), "error: late, since lazy\n", ExitFailed},
	} {
		var b bytes.Buffer
		report(render.New(&b, nil), c.err)
		if b.String() != c.want || ExitCode(c.err) != c.code {
			t.Errorf("%v: status %d and\n%swant status %d and\n%s", c.err, ExitCode(c.err), b.String(), c.code, c.want)
		}
	}
}

func TestInterrupted(t *testing.T) {
	if err := interrupted(t.Context()); err != nil {
		t.Errorf("nothing ended, but: %v", err)
	}
	for _, c := range []struct {
		cause error
		want  error
	}{
		{nil, ErrInterrupted},
		{&run.SignalError{Signal: os.Interrupt}, ErrInterrupted},
		{&run.SignalError{Signal: syscall.SIGTERM}, nil},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(c.cause)
		if err := interrupted(ctx); !errors.Is(err, c.want) {
			t.Errorf("cause %v: %v, want %v", c.cause, err, c.want)
		}
	}
}
