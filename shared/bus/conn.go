package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/singleflight"

	"core.internal/shared/events"
)

// Options say where a bus is and who connects.
type Options struct {
	URL string // as in nats://127.0.0.1:4222; unused with InProcess
	// Name is the source that connects; also the name of its inbox.
	Name string
	// Seed is the file with the source's nkey seed; empty for none.
	Seed string
	// InProcess connects without a socket.
	InProcess nats.InProcessConnProvider
	Log       *slog.Logger
	// Waiting is told each failed attempt before the first success.
	Waiting func(attempt int, err error)
}

// RefusedError says that the bus does not accept the credential.
type RefusedError struct {
	URL  string
	Name string
	Seed string // the seed's file; empty where none was given
	Err  error
}

func (e *RefusedError) Error() string {
	if e.Seed == "" {
		return fmt.Sprintf("connect to the bus at %s as %s: refused: %v: name the file with its nkey seed (bus.seed-file)", e.URL, e.Name, e.Err)
	}
	return fmt.Sprintf("connect to the bus at %s as %s: refused: %v: the public key of %s has to be in the bus's key directory", e.URL, e.Name, e.Err, e.Seed)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Bounds of the waits between attempts to connect, and of one request.
const (
	retryMin       = 2 * time.Millisecond
	retryMax       = 250 * time.Millisecond
	requestTimeout = 5 * time.Second
)

// Conn is one connection to the bus. It reconnects for ever.
type Conn struct {
	NC *nats.Conn
	JS jetstream.JetStream

	name string
	log  *slog.Logger

	mu         sync.Mutex
	changed    chan struct{}                // closed when the connection is lost or back; guarded by mu
	publishers map[events.Source]*Publisher // that run on this connection; guarded by mu
	lines      map[events.Subject]int       // lines that could not travel, by subject; guarded by mu
	streams    map[string]known             // guarded by mu

	asking singleflight.Group // for streams, by name
}

// Connect returns once the bus has accepted the connection, trying until ctx
// ends. A refused credential is a [*RefusedError] at once.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	if err := events.CheckToken(o.Name); err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{
		name: o.Name, log: o.Log, changed: make(chan struct{}),
		publishers: map[events.Source]*Publisher{}, lines: map[events.Subject]int{}, streams: map[string]known{},
	}
	d := &dialer{}
	options, err := c.options(o, d)
	if err != nil {
		return nil, err
	}
	var last error
	for attempt := 1; ; attempt++ {
		nc, err := d.connect(ctx, o.URL, options)
		if ctx.Err() != nil && err != nil {
			return nil, fmt.Errorf("connect to the bus at %s: %w (last attempt: %w): is busd running there?", o.URL, ctx.Err(), cmp.Or(last, err))
		}
		last = err
		if err == nil {
			c.NC = nc
			if c.JS, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
				nc.Close()
				return nil, fmt.Errorf("connect to the bus at %s: %w", o.URL, err)
			}
			return c, nil
		}
		if bad := (*CredentialError)(nil); errors.As(err, &bad) {
			return nil, fmt.Errorf("connect to the bus at %s as %s: %w", o.URL, o.Name, bad)
		}
		if refused(err) {
			return nil, &RefusedError{URL: o.URL, Name: o.Name, Seed: o.Seed, Err: err}
		}
		if o.Waiting != nil {
			o.Waiting(attempt, err)
		}
		_ = sleep(ctx, backoff(attempt))
	}
}

func (c *Conn) options(o Options, d *dialer) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(o.Name),
		nats.CustomInboxPrefix(events.InboxPrefix(events.Source(o.Name))),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(backoff),
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(2 * time.Second),
		nats.SkipHostLookup(),
		nats.SetCustomDialer(d),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.Warn("lost the bus, reconnecting", "cause", err)
			}
			c.bump()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.log.Info("the bus is back")
			c.bump()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			c.log.Warn("bus", "error", err, "subject", subject)
		}),
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	if o.Seed != "" {
		option, err := c.credential(o.Seed)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	return options, nil
}

// Close ends the connection after what was published has left.
func (c *Conn) Close() {
	if c.NC.IsConnected() {
		_ = c.NC.FlushTimeout(time.Second)
	}
	c.NC.Close()
}

// bump tells everybody who waits that the connection was lost or is back.
func (c *Conn) bump() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// changes returns a channel that is closed at the next loss or return of the
// connection.
func (c *Conn) changes() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// errChanged is why a session ended that did not end by itself.
var errChanged = errors.New("the connection to the bus changed")

// session runs fn while the connection stays what it is: fn's context ends when
// the connection is lost or comes back. It waits for a connection first.
func (c *Conn) session(ctx context.Context, fn func(context.Context) error) error {
	var changed <-chan struct{}
	for {
		changed = c.changes()
		if c.NC.IsConnected() {
			break
		}
		if c.NC.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(retryMax): // a change may have been told before its status was visible
		}
	}
	sctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-changed:
			cancel(errChanged)
		case <-sctx.Done():
		}
	}()
	err := fn(sctx)
	cancel(nil)
	<-watched
	return err
}

func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrNkeysNotSupported) ||
		strings.Contains(strings.ToLower(err.Error()), "authorization violation")
}

func backoff(attempt int) time.Duration {
	return min(retryMin<<min(max(attempt-1, 0), 16), retryMax)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
