package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"core.internal/tools/internal/workspace"
)

// bench is one invocation.
type bench struct {
	ws      workspace.Workspace
	dir     string // scratch, removed at the end
	out     io.Writer
	notes   io.Writer
	n       int           // how often
	seconds time.Duration // how long to watch, or to go on
	service services
	rate    int    // lines a second
	only    string // what to measure; all if empty
	store   string // of the bus: memory or file
	logged  logged
	chaos   chaos
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		listVerbs(stderr)
		return errors.New("name what to measure")
	}
	if slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
		listVerbs(stdout)
		return nil
	}
	if args[0] == writerRole { // a service that writes, not somebody who measures
		return write(ctx, args[1:], direct(os.Stdout.Fd()))
	}
	all := verbs()
	at := slices.IndexFunc(all, func(v verb) bool { return v.name == args[0] })
	if at < 0 {
		listVerbs(stderr)
		return fmt.Errorf("there is no verb %q", args[0])
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	b := &bench{out: stdout, notes: stderr}
	if all[at].flags != nil {
		all[at].flags(flags, b)
	}
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("%s takes no argument %q: see bench %s -h", args[0], flags.Arg(0), args[0])
	case flags.Lookup("n") != nil && b.n < 1:
		return fmt.Errorf("-n %d: what is not measured has no median: measure at least once", b.n)
	}
	var err error
	if b.ws, err = workspace.Find("."); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "core-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return all[at].run(b, ctx)
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
