package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/oklog/run"

	"core.internal/shared/cli"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/pipeline/builtin"
	"core.internal/shared/spec"
)

// Main is the whole program. It returns the status to exit with.
func Main(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var err error
	var g run.Group
	g.Add(func() error {
		err = cli.Exec(ctx, args, environ, stdin, stdout, stderr, app())
		return err
	}, cancel)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP) // the terminal is gone
	}
	// Caught before anything begins: what comes in between would be lost.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	defer signal.Stop(caught)
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Add(func() error {
		select {
		case s := <-caught:
			signal.Stop(caught) // a second one ends the program at once
			return &run.SignalError{Signal: s}
		case <-listening.Done():
			return listening.Err()
		}
	}, func(error) { stop() })
	_ = g.Run() // the first to end says why, the command says what that means
	return cli.ExitCode(err)
}

func app() cli.App {
	return cli.App{
		Name: "launcher", Version: daemon.Version(), Up: up, End: end,
		Pipelines: builtin.Describe,
		Specs: func(c config.Node) spec.Dirs {
			return spec.Dirs{Workspace: builtin.Workspace(c), Root: c.Root, Extra: c.Specs}
		},
	}
}
