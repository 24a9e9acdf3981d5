package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/pipeline/builtin"
	"core.internal/shared/pipeline/coordinator"
)

// settings are pipelined's own.
type settings struct {
	runs, steps, keep int
	workspace         string
}

// Definition returns the daemon.
func Definition() daemon.Definition {
	var own settings
	return daemon.Definition{
		Name:     events.Pipelined,
		About:    "runs the pipelines of a node",
		Settings: own.register,
		Run:      func(ctx context.Context, d *daemon.Daemon) error { return run(ctx, d, own) },
	}
}

func (s *settings) register(set *config.Set) {
	set.IntVar(&s.runs, "pipeline.runs", 2, "how many runs go on at a time; the others wait")
	set.IntVar(&s.steps, "pipeline.steps", 0, "how many steps of one run go on at a time; one per CPU if 0")
	set.IntVar(&s.keep, "pipeline.keep", 64, "how many earlier runs keep their step logs")
	set.StringVar(&s.workspace, "pipeline.workspace", "", "root of the source tree that pipelines build; the one around the working directory or the root if empty")
}

func run(ctx context.Context, d *daemon.Daemon, s settings) error {
	workspace := builtin.Workspace(d.Config)
	if s.workspace != "" {
		dir, err := filepath.Abs(s.workspace)
		if err != nil {
			return fmt.Errorf("setting pipeline.workspace: %w", err)
		}
		workspace = dir
	}
	registry, err := builtin.Registry(builtin.Options{
		Workspace: workspace,
		Data:      d.Layout.Data(string(events.Pipelined)),
		Bin:       d.Layout.Bin(),
		Store:     func(ctx context.Context, name string, data []byte) error { return store(ctx, d.Bus, name, data) },
	})
	if err != nil {
		return err
	}
	c, err := coordinator.New(coordinator.Options{
		Node: d.Config.Name, Bus: d.Bus, Facts: d.Facts, Pipelines: registry,
		Dir: filepath.Join(d.Layout.Logs(), "runs"), Runs: s.runs, Steps: s.steps, Keep: s.keep,
		Metrics: d.Metrics, Log: d.Log,
	})
	if err != nil {
		return err
	}
	return c.Run(ctx, func(ctx context.Context) error { return d.Ready(ctx, nil) })
}

// store puts an object into the platform's object store.
func store(ctx context.Context, conn *bus.Conn, name string, data []byte) error {
	objects, err := conn.JS.ObjectStore(ctx, events.ObjectsArtifacts)
	if err != nil {
		return fmt.Errorf("open object store %s: %w", events.ObjectsArtifacts, err)
	}
	if _, err := objects.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}
