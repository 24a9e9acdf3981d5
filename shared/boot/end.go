package boot

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/process/runner"
	"core.internal/shared/supervisor"
)

// Bounds of the wait for the bus of a node whose launcher is gone: where its busd
// runs, and where it may have been somebody else's.
const (
	busAnswers = 5 * time.Second
	busIsThere = 300 * time.Millisecond
)

// endsAtATime is how many processes of services that no procd has are ended at once.
const endsAtATime = 16

// End takes down in order what a launcher left that was killed: services, daemons,
// and what stands for them in the node directory. It is called instead of Run, and
// reports whether anything still ran. What it began it finishes, though ctx is
// cancelled; stop timeouts bound it. At the deadline of ctx, if it has one, it leaves
// the rest to another End, and a daemon that it was ending then is killed: the error is
// [context.DeadlineExceeded]. It is a [*LockedError] where a launcher has the node.
func (n *Node) End(ctx context.Context) (ran bool, err error) {
	n.began = time.Now()
	if _, err := os.Stat(n.layout.Dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if n.lock, err = lock(ctx, n.layout); err != nil {
		return false, n.unwritable(err)
	}
	deadline, bounded := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if bounded {
		limited, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		ctx = limited
	}
	if err = n.startSupervisor(ctx); err == nil {
		n.reach(ctx)
	}
	for d := range n.adopted {
		ran = ran || n.adopted[d]
	}
	err = errors.Join(err, n.takeDown(ctx, n.graph(), nil))
	return ran || n.swept, err
}

// letGo ends what this process does with the node, and nothing else.
func (n *Node) letGo() error {
	err := n.supervision.stopFor(supervisor.ErrLeave)
	if n.conn != nil {
		err = errors.Join(err, n.remote.stop())
		n.conn.Close()
	}
	return errors.Join(err, n.local.stop(), n.lock.Unlock())
}

// reach joins the bus of a node that a launcher left, if there is one.
func (n *Node) reach(ctx context.Context) {
	f, err := config.ReadNodeFile(n.layout)
	if err != nil {
		return // without it services are ended by procd's own end
	}
	patience := busIsThere
	if n.adopted[events.Busd] {
		patience = busAnswers
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := bus.Connect(limit, bus.Options{
		URL: f.BusURL, Name: string(events.Launcher), Seed: n.layout.Seed(events.Launcher), Log: n.Log,
	})
	if err != nil {
		n.Log.Warn("the bus does not answer: services end with procd", "error", err)
		return
	}
	n.join(ctx, conn)
}

// downController ends procd, what it was not there to end, and what holds until
// the node goes down.
func (n *Node) downController(ctx context.Context) error {
	err := n.downDaemon(events.Procd)(ctx)
	if n.sup == nil {
		return err
	}
	if derr := config.EndBoot(n.layout); derr != nil {
		n.Log.Warn("what was stopped or started until the node went down stays so", "error", derr)
	}
	return errors.Join(err, n.sweep(ctx))
}

// sweep ends the processes of services that no procd has any more.
func (n *Node) sweep(ctx context.Context) error {
	r := runner.New(runner.Options{Dir: n.layout.Run(), Log: n.Log, Alone: true})
	ids, err := r.Recorded()
	if err != nil || len(ids) == 0 {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var run errgroup.Group
	run.Go(func() error { return r.Run(running) })
	var mu sync.Mutex
	var left []string
	var ending errgroup.Group
	ending.SetLimit(endsAtATime)
	for _, id := range ids {
		ending.Go(func() error {
			p, err := r.Adopt(ctx, id)
			if p != nil {
				mu.Lock()
				left = append(left, id)
				slices.Sort(left)
				n.detail("controller", "ending what procd left: "+strings.Join(left, ", "))
				mu.Unlock()
				if err = p.Stop(ctx); err == nil {
					<-p.Done()
				}
			}
			if err != nil {
				return err
			}
			return r.Forget(id)
		})
	}
	err = ending.Wait()
	stop()
	n.swept = len(left) > 0
	return errors.Join(err, run.Wait())
}
