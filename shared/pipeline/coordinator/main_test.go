package coordinator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/coordinator"
	"core.internal/shared/pipeline/step"
	"core.internal/shared/testutil/testbus"
)

const node events.Node = "local"

// The test binary is also what steps run ("wait"), and a pipelined that can be
// killed.
func TestMain(m *testing.M) {
	switch os.Getenv("COORDINATOR_TEST") {
	case "":
		goleak.VerifyTestMain(m, testbus.Clock())
	case "wait":
		fmt.Println("waiting", os.Getpid())
		select {}
	case "pipelined":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		var o childOptions
		if err := json.Unmarshal([]byte(os.Getenv("COORDINATOR_OPTIONS")), &o); err != nil {
			panic(err)
		}
		if err := o.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// childOptions is what a pipelined needs, in this process or in another.
type childOptions struct {
	URL, Seed, Dir string
	Runs, Steps    int
}

func (o childOptions) run(ctx context.Context) error {
	conn, err := bus.Connect(ctx, bus.Options{URL: o.URL, Name: string(events.Pipelined), Seed: o.Seed})
	if err != nil {
		return err
	}
	defer conn.Close()
	facts := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Pipelined})
	registry, err := pipeline.NewRegistry(pipelines(o.Dir)...)
	if err != nil {
		return err
	}
	c, err := coordinator.New(coordinator.Options{
		Node: node, Bus: conn, Facts: facts, Pipelines: registry, Dir: filepath.Join(o.Dir, "logs"),
		Runs: o.Runs, Steps: o.Steps, Keep: 3,
	})
	if err != nil {
		return err
	}
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return facts.Run(outer, conn) })
	err = c.Run(ctx, func(ctx context.Context) error {
		facts.State(events.Entity(events.Pipelined), events.DaemonReady{PID: os.Getpid(), Version: "test"}, "")
		return facts.Flush(ctx)
	})
	stop()
	_ = g.Wait()
	return err
}

// wait runs a child process that says its pid and never ends.
func wait(ctx context.Context, j pipeline.Job) error {
	return step.Run(ctx, j, step.Command{Name: os.Args[0], Env: []string{"COORDINATOR_TEST=wait"}})
}

// count appends the attempt to a file and returns how often it was called.
func count(dir string, j pipeline.Job) (int, error) {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s.%s.count", j.Run, j.Step)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	fmt.Fprintln(f, j.Attempt)
	if err := f.Close(); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(f.Name())
	return strings.Count(string(b), "\n"), err
}

// pipelines are those of the tests. dir is where steps keep files.
func pipelines(dir string) []pipeline.Pipeline {
	counted := func(ctx context.Context, j pipeline.Job) (int, error) { return count(dir, j) }
	return []pipeline.Pipeline{{
		Name: "greet", About: "says hello",
		Params: []pipeline.Param{{Name: "who", About: "whom", Default: "world"}},
		Plan: func(d *pipeline.Definition) error {
			name := pipeline.Task(d, "name", func(_ context.Context, j pipeline.Job) (string, error) {
				fmt.Fprint(j.Log, "the name\r\nis \xff\nand no end")
				return strings.ToUpper(d.Param("who")), nil
			})
			pipeline.Task1(d, "greet", func(_ context.Context, j pipeline.Job, name string) (string, error) {
				fmt.Fprintf(j.Log, "hello %s\n", name)
				return "hello " + name, nil
			}, name)
			return nil
		},
	}, {
		// The first attempt of hold waits until it is killed; the next goes on.
		Name: "hold", About: "waits for its end",
		Plan: func(d *pipeline.Definition) error {
			first := pipeline.Task(d, "first", counted)
			hold := pipeline.Task1(d, "hold", func(ctx context.Context, j pipeline.Job, _ int) (int, error) {
				if n, err := count(dir, j); err != nil || n > 1 {
					return n, err
				}
				return 0, wait(ctx, j)
			}, first)
			pipeline.Task2(d, "last", func(_ context.Context, j pipeline.Job, first, hold int) (string, error) {
				return fmt.Sprintf("first %d, hold %d", first, hold), nil
			}, first, hold)
			return nil
		},
	}, {
		// Steps that wait for a file.
		Name: "await", About: "waits for a file",
		Plan: func(d *pipeline.Definition) error {
			pipeline.Task(d, "await", func(ctx context.Context, j pipeline.Job) (struct{}, error) {
				fmt.Fprintln(j.Log, "waiting", os.Getpid())
				return struct{}{}, awaitFile(ctx, filepath.Join(dir, string(j.Run)))
			})
			return nil
		},
	}, {
		Name: "fail", About: "fails",
		Plan: func(d *pipeline.Definition) error {
			bad := pipeline.Task(d, "bad", func(_ context.Context, j pipeline.Job) (string, error) {
				for i := range 20 {
					fmt.Fprintln(j.Log, "line", i)
				}
				return "", errors.New("disk full")
			})
			pipeline.Task1(d, "after", func(context.Context, pipeline.Job, string) (string, error) { return "", nil }, bad)
			pipeline.Task(d, "panic", func(context.Context, pipeline.Job) (string, error) { panic("no such thing") })
			pipeline.Task(d, "large", func(context.Context, pipeline.Job) (string, error) {
				return strings.Repeat("x", events.MaxEnvelope), nil
			})
			pipeline.Task(d, "fine", counted)
			return nil
		},
	}}
}
