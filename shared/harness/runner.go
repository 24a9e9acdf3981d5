package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"core.internal/shared/daemon"
	"core.internal/shared/process"
)

// runner runs daemons as goroutines of the test's own process, so that the race
// detector sees them, and everything else with the runner beneath it.
type runner struct {
	process.Runner
	daemons map[string]daemon.Definition
	output  io.Writer
}

// Start implements [process.Runner].
func (r *runner) Start(ctx context.Context, c process.Command) (process.Process, error) {
	def, ok := r.daemons[c.ID]
	if !ok {
		return r.Runner.Start(ctx, c)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &inProcess{instance: c.Instance, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := daemon.Exec(run, def, c.Args, c.Env, nil, r.output, r.output)
		p.exit = process.Exit{Time: time.Now()}
		if err != nil {
			p.exit.Code = 1
			p.exit.LastLines = []string{fmt.Sprintf("%s: %v", c.ID, err)}
		}
	}()
	return p, nil
}

// Adopt implements [process.Runner]: a daemon in this process cannot have
// outlived an earlier one.
func (r *runner) Adopt(ctx context.Context, id string) (process.Process, error) {
	if _, ok := r.daemons[id]; ok {
		return nil, nil
	}
	return r.Runner.Adopt(ctx, id)
}

// inProcess is one daemon that runs as goroutines.
type inProcess struct {
	instance string
	cancel   context.CancelFunc
	done     chan struct{}
	exit     process.Exit // written before done is closed
	stopping sync.Once
}

func (p *inProcess) PID() int              { return os.Getpid() }
func (p *inProcess) Instance() string      { return p.instance }
func (p *inProcess) Done() <-chan struct{} { return p.done }
func (p *inProcess) Exit() process.Exit    { return p.exit }

// Stop ends the daemon's context and waits for it; goroutines cannot be killed.
func (p *inProcess) Stop(ctx context.Context) error {
	p.stopping.Do(p.cancel)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s in this process: %w", p.instance, ctx.Err())
	}
}
