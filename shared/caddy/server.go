package caddy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
)

// Options say how the edge serves.
type Options struct {
	Listen  string        // host:port; port 0 for any free one
	Storage string        // a directory for what Caddy keeps
	Node    string        // told by the health route; may be empty
	Log     *slog.Logger  // discarded if nil
	Drain   time.Duration // how long requests may go on when the edge stops; 500 ms if 0
}

// Server is the Caddy of this process.
type Server struct {
	o     Options
	m     *metrics
	ready chan struct{} // closed when the edge answers
	ended chan struct{} // closed when Run has returned
	wake  chan struct{} // receives when there is something to apply

	mu      sync.Mutex
	address string        // guarded by mu
	sites   []site.Site   // asked for last; guarded by mu
	asked   uint64        // calls of Apply so far; guarded by mu
	done    uint64        // calls answered so far; guarded by mu
	outcome outcome       // of the last configuration; guarded by mu
	changed chan struct{} // closed when done grows; guarded by mu

	table *table // Run's alone
}

type outcome struct {
	refused map[events.Entity]string
	err     error
}

// ListenError says that the edge cannot have its address.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("the edge cannot listen on %s: %v", e.Address, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// errEnded is returned by Apply when nobody applies any more.
var errEnded = errors.New("the edge has ended")

// single is held by the server that runs: Caddy's state is the process's.
var single sync.Mutex //arch:ignore state: Caddy is one per process

// New returns a server that listens nowhere yet.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = 500 * time.Millisecond
	}
	return &Server{
		o: o, m: newMetrics(),
		ready: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// Run serves until ctx ends. Without sites the edge answers its own routes only.
// An address that cannot be had is a [*ListenError]. A server runs once.
func (s *Server) Run(ctx context.Context) error {
	defer close(s.ended)
	if !single.TryLock() {
		return errors.New("run the edge: another one runs in this process")
	}
	defer single.Unlock()
	socket, err := open(s.o.Listen)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.address = socket.Addr().String()
	s.mu.Unlock()
	defer socket.shut()
	if err := s.load(); err != nil {
		return errors.Join(err, caddy.Stop())
	}
	if err := s.Check(ctx); err != nil {
		return errors.Join(err, s.stop(ctx, socket))
	}
	close(s.ready)
	for {
		select {
		case <-s.wake:
			s.apply()
		case <-ctx.Done():
			return s.stop(ctx, socket)
		}
	}
}

// load gives Caddy its configuration, which has no sites yet.
func (s *Server) load() error {
	b, err := site.Render(s.options())
	if err != nil {
		return err
	}
	if err := caddy.Load(b, true); err != nil {
		return fmt.Errorf("load the edge's configuration: %w", err)
	}
	ctx := caddy.ActiveContext()
	if s.table, err = find(ctx); err != nil {
		return err
	}
	s.m.caddy.Store(ctx.GetMetricsRegistry())
	return nil
}

func (s *Server) options() site.Options {
	return site.Options{Listen: network + "/" + s.Address(), Storage: s.o.Storage, Node: s.o.Node, Grace: s.o.Drain}
}

// stop closes the listener and gives what is being answered a little time.
func (s *Server) stop(ctx context.Context, socket *socket) error {
	err := caddy.Stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Drain)
	defer cancel()
	if left := socket.drain(drain); left > 0 {
		s.o.Log.Info("connections are cut off", "count", left)
	}
	if err != nil {
		return fmt.Errorf("stop the edge: %w", err)
	}
	return nil
}

// Ready is closed when the edge has answered its own health route.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Address is where the edge listens, as host:port; valid once it is ready.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

// Check asks the edge's own health route.
func (s *Server) Check(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address()+site.HealthPath, nil)
	if err != nil {
		return fmt.Errorf("ask the edge for its health: %w", err)
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the edge does not answer: %w", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the edge's health route answers %s", answer.Status)
	}
	return nil
}

// Apply serves these sites and no others, and returns when they, or later ones,
// are live. Sites must have passed [site.Check]; those that Caddy rejects all the
// same are left out, with its reasons by service. After an error the edge serves
// what it did before.
func (s *Server) Apply(ctx context.Context, sites []site.Site) (refused map[events.Entity]string, err error) {
	s.mu.Lock()
	s.sites = sites
	s.asked++
	mine := s.asked
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	for {
		s.mu.Lock()
		done, o, changed := s.done, s.outcome, s.changed
		s.mu.Unlock()
		if done >= mine {
			return maps.Clone(o.refused), o.err
		}
		select {
		case <-changed:
		case <-s.ended:
			return nil, fmt.Errorf("apply %d sites: %w", len(sites), errEnded)
		case <-ctx.Done():
			return nil, fmt.Errorf("apply %d sites: %w", len(sites), ctx.Err())
		}
	}
}

// apply makes what was asked for last live and answers all who asked before.
func (s *Server) apply() {
	s.mu.Lock()
	sites, asked := s.sites, s.asked
	s.mu.Unlock()
	began := time.Now()
	var refused map[events.Entity]string
	routes, err := site.Routes(s.options(), sites)
	if err == nil {
		refused = s.table.apply(routes, &observer{s.m, s.o.Log})
		s.m.count(sites, refused)
	}
	s.m.reload(time.Since(began), len(refused) > 0, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.outcome = asked, outcome{refused, err}
	close(s.changed)
	s.changed = make(chan struct{})
}
