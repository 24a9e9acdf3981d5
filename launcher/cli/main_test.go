package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/run"

	"core.internal/shared/boot"
	"core.internal/shared/cli"
	"core.internal/shared/cli/render"
)

func TestMainStatus(t *testing.T) {
	root := t.TempDir()
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"version", 0, "launcher ", ""},
		{"--help", 0, "bring the node up", ""},
		{"pipeline list", 0, "build core binaries", ""},
		{"spec list", 0, "alpha", ""},
		{"statsu", 2, "", `did you mean "status"?`},
		{"status", 1, "", `node "local" is not running`},
		{"down", 0, "", "is not running"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), append(strings.Fields(c.args), "--root", root), nil, nil, &stdout, &stderr)
		if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%s: status %d, want %d\n%s%s", c.args, code, c.code, stdout.String(), stderr.String())
		}
	}
}

// Every state of a boot has its counterpart, and everything but the error, which
// the command's own error tells, is handed on.
func TestEvents(t *testing.T) {
	for from, to := range map[boot.EventState]render.StageState{
		boot.Starting: render.Starting, boot.Progress: render.Progress, boot.Ready: render.Ready,
		boot.Failed: render.Failed, boot.Stopping: render.Stopping, boot.Stopped: render.Stopped,
	} {
		got := event(boot.Event{Stage: "bus", Index: 2, Total: 7, State: from, Detail: "d", Took: time.Second, Err: errors.New("e")})
		if want := (cli.StageEvent{Stage: "bus", Index: 2, Total: 7, State: to, Detail: "d", Took: time.Second}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// A signal ends what goes on; an interrupt is told apart from a request to
// terminate.
func TestSignal(t *testing.T) {
	for signal, want := range map[os.Signal]int{os.Interrupt: cli.ExitInterrupted, syscall.SIGTERM: cli.ExitOK} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&run.SignalError{Signal: signal})
		var stdout, stderr bytes.Buffer
		if code := Main(ctx, []string{"up", "--root", t.TempDir()}, nil, nil, &stdout, &stderr); code != want {
			t.Errorf("%s: status %d, want %d\n%s", signal, code, want, stderr.String())
		}
	}
}
