package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"core.internal/tools/internal/workspace"
)

// bench is one invocation.
type bench struct {
	ws      workspace.Workspace
	dir     string // scratch, removed at the end
	n       int
	out     io.Writer
	notes   io.Writer
	seconds time.Duration
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(*bench, context.Context) error{
		"boot": (*bench).boot, "idle": (*bench).idle, "help": (*bench).help, "transcripts": (*bench).transcripts,
		"supervise": (*bench).supervise,
	}
	names := []string{"boot", "idle", "help", "transcripts", "supervise"}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("name what to measure: %s", strings.Join(names, ", "))
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	b := &bench{out: stdout, notes: stderr}
	flags.IntVar(&b.n, "n", 10, "how often")
	flags.DurationVar(&b.seconds, "for", 20*time.Second, "how long to watch an idle node")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var err error
	if b.ws, err = workspace.Find("."); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "core-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return commands[args[0]](b, ctx)
}

// median of durations; it sorts them.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
