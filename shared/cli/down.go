package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/state"
	"core.internal/shared/ui"
)

func downCommand() *command {
	a := action(ui.ActionShutdown)
	return &command{
		name: a.Verb, about: a.About, node: true,
		long: "Asks the launcher over the bus, or with a signal where the bus does not answer, and returns when nothing of the\nnode is left. Where the launcher was killed, takes down in order what it left. A node that is not running is down\nalready.",
		flags: func(f *flags) {
			f.within("timeout", 2*time.Minute, "how long to wait until it is down")
		},
		exec: func(ctx context.Context, c *call) error {
			if err := c.arguments(0, 0); err != nil {
				return err
			}
			began := time.Now()
			layout := c.node.Layout()
			pid := holder(layout)
			limit, cancel := context.WithTimeout(ctx, value[time.Duration](c, "timeout"))
			defer cancel()
			if c.node.BusURL == "" && pid == 0 {
				return c.takeDownWhatIsLeft(limit, layout, began)
			}
			err := c.askDown(limit, pid)
			if errors.Is(err, errLauncherGone) {
				return c.takeDownWhatIsLeft(limit, layout, began)
			}
			if err == nil && pid > 0 {
				err = released(limit, layout)
			}
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return &Problem{
					Err: fmt.Errorf("node %q is not down after %s", c.node.Name, value[time.Duration](c, "timeout")),
					Fix: fmt.Sprintf("`%s status` shows what holds it; --timeout waits longer", c.app.Name),
				}
			}
			if err != nil {
				return err
			}
			return c.isDown(began)
		},
	}
}

// takeDownWhatIsLeft is the end of down where no launcher has the node.
func (c *call) takeDownWhatIsLeft(ctx context.Context, layout config.Layout, began time.Time) error {
	launcher := ""
	switch f, err := config.ReadNodeFile(layout); {
	case err == nil:
		launcher = fmt.Sprintf(" (pid %d)", f.PID)
	case !leftovers(layout):
		c.note(fmt.Sprintf("node %q is not running in %s", c.node.Name, layout.Dir))
		return nil
	}
	c.note(fmt.Sprintf("the launcher of node %q%s is gone: taking down what it left", c.node.Name, launcher))
	show := render.NewBoot(c.err)
	ran, err := c.app.End(ctx, Boot{Config: c.node, Environ: c.environ, Progress: show.Show})
	show.Close()
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == context.DeadlineExceeded:
		return &Problem{
			Err: fmt.Errorf("node %q is not down after %s", c.node.Name, value[time.Duration](c, "timeout")),
			Fix: fmt.Sprintf("`%s down` goes on with what is left; --timeout waits longer", c.app.Name),
		}
	case err != nil:
		return err
	case !ran:
		return c.out.Print(fmt.Sprintf("%snode %s was down already: removed what was left of it in %s", c.out.Mark(ui.OK), c.node.Name, layout.Dir))
	}
	return c.isDown(began)
}

func (c *call) isDown(began time.Time) error {
	return c.out.Print(fmt.Sprintf("%snode %s is down in %s", c.out.Mark(ui.OK), c.node.Name, ui.Took(time.Since(began))))
}

// leftovers reports whether the node directory has something that stands for a
// process.
func leftovers(layout config.Layout) bool {
	for _, of := range []string{"", "daemons"} {
		entries, _ := os.ReadDir(filepath.Join(layout.Run(), of))
		for _, e := range entries {
			if !e.IsDir() {
				return true
			}
		}
	}
	return false
}

// askTimeout bounds the wait for a bus that is there and takes no request, as
// where its disk is full.
const askTimeout = 5 * time.Second

// askDown asks for the shutdown and shows the stages as they end, as long as
// there is a bus.
func (c *call) askDown(ctx context.Context, pid int) error {
	a := action(ui.ActionShutdown)
	err := c.withSession(ctx, func(ctx context.Context, s *session) error {
		to, body := a.Request(ui.Target{Node: s.node})
		sending, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		id, err := s.Send(sending, to, body)
		if err != nil {
			return &Problem{Err: err, Fix: fmt.Sprintf("`%s logs busd` tells what the bus does", c.app.Name)}
		}
		return c.watchDown(ctx, s, func(st state.State) (state.Outcome, bool) { return st.Outcome(id) })
	})
	var problem *Problem
	if errors.As(err, &problem) && pid > 0 && ctx.Err() == nil {
		c.note(fmt.Sprintf("%v; asking the launcher (pid %d) with a signal", problem.Err, pid))
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ask the launcher with pid %d to end: %w", pid, err)
		}
		return nil
	}
	return err
}

// errLauncherGone ends the wait for a launcher that was killed while the node went
// down.
var errLauncherGone = errors.New("the launcher is gone")

// watchDown shows stages until the bus is gone.
func (c *call) watchDown(ctx context.Context, s *session, outcome func(state.State) (state.Outcome, bool)) error {
	show := render.NewBoot(c.err)
	defer show.Close()
	shown := map[string]state.StageState{}
	changed := s.view.Watch(ctx)
	gone, killed := time.NewTicker(20*time.Millisecond), time.NewTicker(500*time.Millisecond)
	defer gone.Stop()
	defer killed.Stop()
	for {
		st := s.view.State()
		o, known := outcome(st)
		switch {
		case known && o.State == state.OutcomeRejected:
			c.note(o.Reason) // somebody was first
			return nil
		case known && o.State == state.OutcomeFailed:
			return fmt.Errorf("the launcher could not take the node down: %s", o.Reason)
		}
		stages := st.SortedStages()
		for i := len(stages) - 1; i >= 0; i-- {
			g := stages[i]
			if shown[string(g.Name)] == g.State || g.State != state.StageStopping && g.State != state.StageStopped {
				continue
			}
			shown[string(g.Name)] = g.State
			show.Show(StageEvent{
				Stage: string(g.Name), Index: g.Index, Total: len(stages), State: render.StageState(g.State),
				Took: time.Duration(g.TookMS * float64(time.Millisecond)),
			})
		}
		if known && o.State == state.OutcomeCompleted {
			return nil
		}
		select {
		case <-changed:
		case <-gone.C:
			if !s.NC.IsConnected() {
				return nil
			}
		case <-killed.C:
			if l := c.launcher(); l != nil && !l.Running {
				return errLauncherGone
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// released returns when no launcher has the node directory any more.
func released(ctx context.Context, layout config.Layout) error {
	lock := flock.New(layout.Lock())
	ok, err := lock.TryRLockContext(ctx, 10*time.Millisecond)
	if err != nil {
		return err
	}
	if ok {
		return lock.Unlock()
	}
	return nil
}
