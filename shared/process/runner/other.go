//go:build !linux

package runner

import (
	"context"
	"log/slog"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// Streams of a process, as the Sink is told.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Options configure a [Runner].
type Options struct {
	Dir      string
	Now      func() time.Time
	Sink     func(id, stream string, l events.LogLine)
	Log      *slog.Logger
	LogSize  int64
	LineRate int
	Wrapper  []string
	Groups   string
	Alone    bool
	Nursery  *Nursery
}

// Nursery cannot be made on this system.
type Nursery struct{}

// NewNursery fails with [ErrUnsupported].
func NewNursery() (*Nursery, error) { return nil, ErrUnsupported }

// End does nothing.
func (*Nursery) End() {}

// Runner fails on this system.
type Runner struct{}

var _ process.Finder = (*Runner)(nil)

func New(Options) *Runner { return &Runner{} }

func (*Runner) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*Runner) Start(context.Context, process.Command) (process.Process, error) {
	return nil, ErrUnsupported
}

func (*Runner) Adopt(context.Context, string) (process.Process, error) { return nil, nil }
func (*Runner) Recorded() ([]string, error)                            { return nil, nil }
func (*Runner) Ended(string) process.Process                           { return nil }
func (*Runner) Forget(string) error                                    { return nil }
func (*Runner) Reaped(events.ProcessReaped)                            {}
func (*Runner) Lost() int64                                            { return 0 }

// Wrap fails on this system.
func Wrap() error { return ErrUnsupported }

// Meter reads nothing on this system.
type Meter struct{}

func (*Runner) Meter() *Meter { return &Meter{} }

func (*Meter) Read() []Usage { return nil }

// Reaper fails on this system.
type Reaper struct {
	Dirs   []string
	Report func(id string, e events.ProcessReaped)
	Log    *slog.Logger
}

func (*Reaper) Run(context.Context) error { return ErrUnsupported }
