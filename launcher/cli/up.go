package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/oklog/run"

	"core.internal/shared/boot"
	"core.internal/shared/cli"
	"core.internal/shared/cli/render"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/log"
	"core.internal/shared/pipeline/builtin"
)

// up brings a node up and blocks until it is down.
func up(ctx context.Context, b cli.Boot) error {
	// Whoever read the output may be gone: that is no reason to die without taking
	// the node down. Unlike an ignored signal, a caught one is not inherited.
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	defer signal.Stop(unread)
	node, file, err := open(b)
	if err != nil {
		return err
	}
	defer file.Close()
	// While the node comes up hardly anything is garbage.
	usual := func() {}
	if os.Getenv("GOGC") == "" {
		percent := debug.SetGCPercent(400)
		usual = sync.OnceFunc(func() { debug.SetGCPercent(percent) })
	}
	defer usual()
	var g run.Group
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g.Add(func() error { return node.Run(running) }, stop)
	if b.Up != nil {
		telling, done := context.WithCancel(context.WithoutCancel(ctx))
		g.Add(func() error {
			select {
			case <-node.Up():
				usual()
				b.Up(summary(node))
				defer time.AfterFunc(daemon.Loading, daemon.Loaded).Stop()
				<-telling.Done()
			case <-telling.Done():
			}
			return nil
		}, func(error) { done() })
	}
	return g.Run()
}

// end takes down what a launcher left that was killed.
func end(ctx context.Context, b cli.Boot) (bool, error) {
	node, file, err := open(b)
	if err != nil {
		return false, err
	}
	defer file.Close()
	return node.End(ctx)
}

// open prepares a node, and the log of its launcher, which the caller closes.
func open(b cli.Boot) (*boot.Node, io.Closer, error) {
	layout := b.Config.Layout()
	if err := os.MkdirAll(layout.Logs(), 0o700); err != nil {
		return nil, nil, &cli.Problem{Err: fmt.Errorf("make the directory of log files: %w", err), Fix: "choose a directory that you may write to with --root"}
	}
	file, err := os.OpenFile(layout.Log(string(events.Launcher)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the launcher's log: %w", err)
	}
	logger, err := log.New(file, log.Options{Level: b.Config.LogLevel, Format: b.Config.LogFormat, Source: events.Launcher, Node: b.Config.Name})
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	node := boot.New(boot.Options{
		Config: b.Config, Environ: b.Environ, Workspace: builtin.Workspace(b.Config), Log: logger,
		Progress: func(e boot.Event) { b.Progress(event(e)) },
	})
	return node, file, nil
}

func event(e boot.Event) cli.StageEvent {
	return cli.StageEvent{Stage: e.Stage, Index: e.Index, Total: e.Total, State: render.StageState(e.State), Detail: e.Detail, Took: e.Took}
}

func summary(n *boot.Node) cli.Summary {
	s := n.Summary()
	out := cli.Summary{BusURL: s.BusURL, EdgeURL: s.EdgeURL, ConsoleURL: s.ConsoleURL, Took: s.Took, State: n.View().State()}
	for _, g := range s.Stages {
		out.Stages = append(out.Stages, cli.StageTime{Stage: events.Entity(g.Stage), Took: g.Took})
	}
	return out
}
