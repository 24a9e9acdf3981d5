package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// upBus starts the daemons and waits for the bus. The others are started here
// too, because they load while the bus comes up: the edge, which takes longest
// to load, beside it, and the rest as soon as they have something to connect to.
// Each is waited for in its own stage.
func (n *Node) upBus(ctx context.Context) error {
	if err := n.start(events.Busd, events.Caddyd); err != nil {
		return err
	}
	connect, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := n.watchDaemon(connect, events.Busd, cancel)
	conn, err := bus.Connect(connect, bus.Options{
		URL: n.busURL(), Name: string(events.Launcher), Seed: n.layout.Seed(events.Launcher), Log: n.Log,
	})
	cancel(nil)
	stop()
	if err != nil {
		return errors.Join(err, context.Cause(connect))
	}
	n.conn = conn
	if err := n.start(events.Procd, events.Pipelined); err != nil {
		return err
	}
	n.join(ctx, conn)
	if err := n.untilReady(ctx, events.Busd); err != nil {
		return err
	}
	n.remote.run(func(ctx context.Context) error {
		return conn.ServeCommands(ctx, n.Config.Name, events.Launcher, n.command)
	})
	return n.facts.Flush(ctx)
}

// join begins what the launcher does on the bus beside answering requests.
func (n *Node) join(ctx context.Context, conn *bus.Conn) {
	n.conn, n.view = conn, bus.NewView(conn, n.Config.Name)
	n.remote.init(context.WithoutCancel(ctx))
	n.remote.run(func(ctx context.Context) error { return n.facts.Run(ctx, conn) })
	n.remote.run(n.view.Run)
	n.remote.run(func(ctx context.Context) error {
		return conn.Heartbeat(ctx, n.Config.Name, events.Launcher, n.presence())
	})
}

// start makes daemons wanted, those that are not left out.
func (n *Node) start(daemons ...events.Source) error {
	for _, d := range daemons {
		if n.omitted(d) {
			continue
		}
		if err := n.sup.Desire(events.Entity(d), true, n.boot); err != nil {
			return err
		}
	}
	return nil
}

// lastWords bounds how long the bus may take to acknowledge what was stated last: on a
// busy machine, with a disk to write through to, seconds.
const lastWords = 5 * time.Second

// downBus ends what the launcher does on the bus, then the bus. Daemons whose
// own stage did not come run since the stage of the bus, and end before it.
func (n *Node) downBus(ctx context.Context) error {
	var err error
	for _, d := range slices.Backward(n.daemons()) {
		if d != events.Busd && n.sup != nil && n.daemon(d).Desired.Running {
			err = errors.Join(err, n.downDaemon(d)(ctx))
		}
	}
	if n.conn != nil {
		flush, cancel := context.WithTimeout(ctx, lastWords)
		defer cancel()
		err = errors.Join(err, n.facts.Flush(flush), n.remote.stop())
		n.conn.Close()
	}
	if derr := n.downDaemon(events.Busd)(ctx); derr != nil {
		return errors.Join(err, derr)
	}
	// While the bus runs, a later launcher needs to know where.
	return errors.Join(err, config.RemoveNodeFile(n.layout))
}

func (n *Node) upEdge(ctx context.Context) error {
	if err := n.untilReady(ctx, events.Caddyd); err != nil || n.omitted(events.Caddyd) {
		return err
	}
	return n.get(ctx, n.edgeURL()+"/.core/health", "")
}

func (n *Node) upController(ctx context.Context) error { return n.untilReady(ctx, events.Procd) }

func (n *Node) upPipelines(ctx context.Context) error { return n.untilReady(ctx, events.Pipelined) }

// downDaemon stops one daemon and waits until it is gone, and nothing of it is
// left for a later launcher to find.
func (n *Node) downDaemon(d events.Source) func(context.Context) error {
	return func(ctx context.Context) error {
		if n.sup == nil || n.omitted(d) {
			return nil
		}
		if err := n.sup.Desire(events.Entity(d), false, n.boot); err != nil {
			return err
		}
		// The runner kills what does not end in time, so this is bounded.
		if _, err := n.sup.WaitService(ctx, events.Entity(d), func(s state.Service) bool { return !s.Alive() }); err != nil {
			return err
		}
		return n.runner.Forget(string(d))
	}
}

// untilReady waits for a daemon's ready fact, or for the daemon to fail.
func (n *Node) untilReady(ctx context.Context, d events.Source) error {
	if n.omitted(d) {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := n.watchDaemon(ctx, d, cancel)
	defer stop()
	_, err := n.view.Wait(ctx, func(s state.State) bool {
		r := s.Ready[d]
		return r.Ready && r.PID == n.daemon(d).PID
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return fmt.Errorf("wait for %s: %w", d, err)
	}
	return nil
}

// exitsTolerated is how often a daemon may end before it is ready: what fails
// this often in a row fails for a reason that a restart does not cure.
const exitsTolerated = 2

// watchDaemon calls fail when the daemon has ended too often to come up. The
// returned function waits for the watch to end.
func (n *Node) watchDaemon(ctx context.Context, d events.Source, fail context.CancelCauseFunc) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := n.sup.WaitService(ctx, events.Entity(d), func(s state.Service) bool {
			return s.State == state.ServiceFailed || s.Restarts > exitsTolerated
		})
		if err == nil {
			fail(n.daemonError(d, s))
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (n *Node) daemonError(d events.Source, s state.Service) error {
	// What ended says more than what has been started since.
	cause, lines := s.Reason, n.lastLines(d)
	if s.LastExit != nil {
		cause = describe(*s.LastExit)
		if len(s.LastExit.LastLines) > 0 {
			lines = s.LastExit.LastLines
		}
	}
	failure := &StageError{Err: fmt.Errorf("%s cannot be started: %s", d, cause), LastLines: lines}
	if s.LastExit != nil && s.LastExit.PID != 0 {
		times := "ended"
		if s.Restarts > 0 {
			times = fmt.Sprintf("ended %d times", s.Restarts)
		}
		failure.Err = fmt.Errorf("%s %s before it was ready: %s", d, times, cause)
	}
	if log := n.layout.Log(string(d)); written(log) {
		failure.Fix = "see all of " + log
	}
	return failure
}

// written reports whether a log file has anything.
func written(log string) bool {
	info, err := os.Stat(log)
	return err == nil && info.Size() > 0
}

// daemon is what the launcher knows of a daemon.
func (n *Node) daemon(d events.Source) state.Service {
	s, _ := n.sup.Service(events.Entity(d))
	return s
}

func describe(e events.ServiceExited) string {
	switch {
	case e.Reason != "":
		return e.Reason
	case e.Signal != "":
		return "ended by " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// lastLines are the last lines a daemon wrote.
func (n *Node) lastLines(d events.Source) []string {
	s := n.daemon(d)
	if s.PID == 0 && s.LastExit != nil && len(s.LastExit.LastLines) > 0 {
		return s.LastExit.LastLines
	}
	return n.tail(d, 10)
}

// get asks a URL until it answers 200.
func (n *Node) get(ctx context.Context, url, host string) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		err := getOnce(ctx, &client, url, host)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		}
	}
}

func getOnce(ctx context.Context, client *http.Client, url, host string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Host = host
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return fmt.Errorf("GET %s (host %s): %s: %.200s", url, r.Host, answer.Status, text)
	}
	return nil
}
