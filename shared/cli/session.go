package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Bounds of the wait for a node that should be there.
const (
	connectTimeout      = 2 * time.Second
	connectTimeoutStale = 300 * time.Millisecond
	caughtUpWithin      = 10 * time.Second
)

// session is a connection to a running node and its live state.
type session struct {
	*bus.Conn
	view *bus.View
	node events.Node
}

// withConn connects to the node for as long as fn runs.
func (c *call) withConn(ctx context.Context, fn func(context.Context, *bus.Conn) error) error {
	conn, err := c.connect(ctx, connectTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	if l := c.launcher(); l != nil && !l.Running {
		c.note(fmt.Sprintf("the launcher (pid %d) is gone and its daemons run on: `%s up` takes them over, `%s down` ends them", l.PID, c.app.Name, c.app.Name))
	}
	return fn(ctx, conn)
}

// launcher is the launcher of the node; nil where that is not known, as with
// --bus.url.
func (c *call) launcher() *state.StatusLauncher {
	if c.node.BusURL != "" {
		return nil
	}
	layout := c.node.Layout()
	if held(layout) {
		return &state.StatusLauncher{PID: holder(layout), Running: true}
	}
	f, err := config.ReadNodeFile(layout)
	if err != nil {
		return nil
	}
	return &state.StatusLauncher{PID: f.PID}
}

// withSession is withConn with the node's state, which has caught up when fn
// begins.
func (c *call) withSession(ctx context.Context, fn func(context.Context, *session) error) error {
	return c.withConn(ctx, func(ctx context.Context, conn *bus.Conn) error {
		s := &session{Conn: conn, view: bus.NewView(conn, c.node.Name), node: c.node.Name}
		viewing, stop := context.WithCancel(ctx)
		defer stop()
		var g errgroup.Group
		g.Go(func() error {
			if err := s.view.Run(viewing); viewing.Err() == nil {
				return err
			}
			return nil
		})
		err := s.caughtUp(ctx)
		if err == nil {
			err = fn(ctx, s)
		}
		stop()
		return errors.Join(err, g.Wait())
	})
}

func (s *session) caughtUp(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, caughtUpWithin)
	defer cancel()
	if _, err := s.view.Wait(limit, func(state.State) bool { return true }); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Problem{Err: fmt.Errorf("the state of node %q cannot be read: %w", s.node, err), Fix: "`launcher logs busd` tells what the bus does"}
	}
	return nil
}

// connect finds the node's bus and connects as the operator.
func (c *call) connect(ctx context.Context, patience time.Duration) (*bus.Conn, error) {
	layout := c.node.Layout()
	address, tried := c.busURL(layout)
	if address == "" {
		return nil, c.notRunning(tried)
	}
	seed := c.node.BusSeedFile
	if seed == "" {
		seed = layout.Seed(events.Operator)
	}
	if _, err := os.Stat(seed); err != nil {
		return nil, &Problem{
			Err: fmt.Errorf("read the operator's credential %s: %w", seed, plain(err)),
			Fix: "name the directory of the node whose bus it is with --root and --node, or the credential with --bus.seed-file",
		}
	}
	if c.node.BusURL == "" && !held(layout) {
		patience = min(patience, connectTimeoutStale) // the node file is left from one that is gone
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := bus.Connect(limit, bus.Options{URL: address, Name: string(events.Operator), Seed: seed})
	var refused *bus.RefusedError
	var bad *bus.CredentialError
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &bad):
		fix := "name another with --bus.seed-file"
		if c.node.BusSeedFile == "" {
			fix = fmt.Sprintf("%s: `%s down`, then `%s up` mints it", bad.Fix, c.app.Name, c.app.Name)
		}
		return nil, &Problem{Err: fmt.Errorf("the operator's credential %s %w", bad.File, bad.Err), Fix: fix}
	case errors.As(err, &refused):
		return nil, &Problem{
			Err: fmt.Errorf("the bus at %s refused the operator's credential %s", redact(address), seed),
			Fix: "name the directory of the node whose bus it is with --root and --node, or a credential that it knows with --bus.seed-file",
		}
	}
	return nil, c.notRunning(append(tried, fmt.Sprintf("the bus at %s: no answer within %s", redact(address), patience)))
}

// busURL returns where the node's bus should be, and what was looked at.
func (c *call) busURL(layout config.Layout) (address string, tried []string) {
	if c.node.BusURL != "" {
		return c.node.BusURL, nil
	}
	file, err := config.ReadNodeFile(layout)
	switch {
	case err == nil:
		return file.BusURL, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", []string{err.Error()}
	}
	tried = []string{fmt.Sprintf("%s: there is none", layout.NodeFile())}
	// A node that is coming up, or going down, has no such file.
	if held(layout) && !strings.HasSuffix(c.node.BusListen, ":0") {
		return "nats://" + c.node.BusListen, tried
	}
	return "", tried
}

func (c *call) notRunning(tried []string) error {
	if pid := holder(c.node.Layout()); pid > 0 {
		return &Problem{
			Err:   fmt.Errorf("node %q does not answer, though its launcher runs (pid %d)", c.node.Name, pid),
			Tried: tried, Fix: "wait until it is up, or see what its launcher says",
		}
	}
	return &Problem{
		Err:   fmt.Errorf("node %q is not running", c.node.Name),
		Tried: tried, Fix: fmt.Sprintf("start it with `%s up`, or name another with --root, --node or --bus.url", c.app.Name),
	}
}

// held reports whether a launcher has the node directory.
func held(layout config.Layout) bool {
	if _, err := os.Stat(layout.Lock()); err != nil {
		return false
	}
	lock := flock.New(layout.Lock())
	free, err := lock.TryRLock()
	if free {
		_ = lock.Unlock()
	}
	return err == nil && !free
}

// holder returns the pid of the launcher that has the node directory, 0 for
// none.
func holder(layout config.Layout) int {
	if !held(layout) {
		return 0
	}
	b, err := os.ReadFile(layout.Lock())
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// plain is an error of the file system without its operation and path.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// redact removes what is secret from a URL.
func redact(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return u.Redacted()
	}
	return address
}
