package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/gofrs/flock"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// ListenError says that the bus cannot have its address.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("bus: listen on %s: %v: end what holds it, or choose another address with --bus.listen", e.Address, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// Server is one bus. It implements nats.InProcessConnProvider.
type Server struct {
	config Config
	gate   *gate
	own    nkeys.KeyPair // of the server's own connection
	ready  chan struct{} // closed when clients may connect

	mu  sync.Mutex
	nsd *natsd.Server // nil unless it runs; guarded by mu
	url string        // guarded by mu
}

// New returns a server that does not run yet.
func New(c Config) (*Server, error) {
	if c.Store == "" {
		c.Store = Memory
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	own, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("bus: make a key: %w", err)
	}
	public, err := own.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: make a key: %w", err)
	}
	return &Server{config: c, gate: newGate(c, public), own: own, ready: make(chan struct{})}, nil
}

// Ready is closed when the platform's streams exist and clients may connect.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// ClientURL is where clients connect; empty before Ready and without a listener.
func (s *Server) ClientURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) {
	nsd := s.running()
	if nsd == nil {
		return nil, errors.New("the bus does not run")
	}
	return nsd.InProcessConn()
}

func (s *Server) running() *natsd.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nsd
}

// Healthy asks the server whether its streams and consumers are in order.
func (s *Server) Healthy() error {
	nsd := s.running()
	if nsd == nil {
		return errors.New("the bus does not run")
	}
	if h := nsd.Healthz(nil); h.Status != "ok" {
		return fmt.Errorf("the bus is %s: %s", h.Status, h.Error)
	}
	return nil
}

// Run is the bus from start to end: it returns when ctx has ended and everything
// is shut down, or when the server cannot start.
func (s *Server) Run(ctx context.Context) error {
	if err := s.probe(); err != nil {
		return err
	}
	dir, release, err := s.directory()
	if err != nil {
		return fmt.Errorf("bus: store: %w", err)
	}
	defer release()
	l := newLogger(s.config.Log)
	nsd, err := s.start(dir, l)
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		s.nsd, s.url = nil, ""
		s.mu.Unlock()
		end(nsd)
	}()
	s.mu.Lock()
	s.nsd = nsd
	s.mu.Unlock()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.serve(gctx, nsd) })
	g.Go(func() error { return s.awaitSpace(gctx, dir, l.unstored) })
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// probe fails where somebody else has the address, before anything is touched.
func (s *Server) probe() error {
	if s.config.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return &ListenError{Address: s.config.Listen, Err: err}
	}
	return l.Close()
}

// directory returns where the server may write, held by this process alone. A memory
// store has nothing of worth there, and what a bus that was killed left goes.
func (s *Server) directory() (dir string, release func(), err error) {
	if s.config.StoreDir == "" {
		dir, err := os.MkdirTemp("", "core-bus-*")
		return dir, func() { os.RemoveAll(dir) }, err
	}
	dir = filepath.Join(s.config.StoreDir, "jetstream")
	if s.config.Store == Memory {
		dir = filepath.Join(s.config.StoreDir, "memory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	lock := flock.New(filepath.Join(s.config.StoreDir, "lock"))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("%s is in use by another bus: end it first", dir)
	}
	if err != nil {
		return "", nil, err
	}
	if s.config.Store == File {
		return dir, func() { lock.Close() }, nil
	}
	release = func() {
		os.RemoveAll(dir)
		lock.Close()
	}
	if err = errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		release()
	}
	return dir, release, err
}

// start starts the server without its port.
func (s *Server) start(dir string, l *logger) (*natsd.Server, error) {
	options := &natsd.Options{}
	if err := options.ProcessConfigString(s.config.render(dir)); err != nil {
		return nil, fmt.Errorf("bus: configure: %w", err)
	}
	options.NoSigs = true
	options.DontListen = true // until the platform is there
	options.DisableJetStreamBanner = true
	options.AlwaysEnableNonce = true
	options.CustomClientAuthentication = s.gate
	nsd, err := natsd.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("bus: configure: %w", err)
	}
	nsd.SetLoggerV2(l, s.config.Log.Enabled(context.Background(), slog.LevelDebug), false, false)
	var once sync.Once
	var platform *natsd.Account
	var perr error
	s.gate.lookup = func() (*natsd.Account, error) {
		once.Do(func() { platform, perr = nsd.LookupAccount(account) })
		return platform, perr
	}
	nsd.Start()
	if err := l.failure(); err != nil {
		end(nsd)
		return nil, fmt.Errorf("bus: start: %w", err)
	}
	return nsd, nil
}

// end shuts down. JetStream goes first: else the server sleeps 50 ms after
// telling each pending pull, which here learn it from their lost connection.
func end(nsd *natsd.Server) {
	if err := nsd.ShutdownJetStream(); err != nil {
		nsd.Errorf("shut down JetStream: %v", err)
	}
	nsd.Shutdown()
	nsd.WaitForShutdown()
}

// listen opens the port.
func (s *Server) listen(nsd *natsd.Server) error {
	if s.config.Listen == "" {
		return nil
	}
	nsd.AcceptLoop(make(chan struct{}))
	if nsd.Addr() == nil {
		err := s.probe() // for the cause as a value
		if err == nil {
			err = &ListenError{Address: s.config.Listen, Err: errors.New("the address was taken for a moment: try again")}
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = "nats://" + nsd.Addr().String()
	return nil
}

// serve makes the platform, opens the port and looks after keys and refusals.
func (s *Server) serve(ctx context.Context, nsd *natsd.Server) error {
	nc, err := s.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("bus: watch the key directory %s: %w", s.config.Keys, err)
	}
	defer watcher.Close()
	if err := watcher.Add(s.config.Keys); err != nil {
		return fmt.Errorf("bus: watch the key directory %s: %w", s.config.Keys, err)
	}

	start, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	g, gctx := errgroup.WithContext(start)
	g.Go(func() error { return bus.EnsurePlatform(gctx, js, s.config.store()) })
	s.gate.load()
	if err := g.Wait(); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	for err := s.Healthy(); err != nil; err = s.Healthy() {
		if pause(start, time.Millisecond) != nil {
			return fmt.Errorf("bus: start: %w", err)
		}
	}
	if err := s.listen(nsd); err != nil {
		return err
	}
	close(s.ready)

	g, gctx = errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(gctx, nsd, watcher) })
	g.Go(func() error { return s.welcome(gctx, js) })
	g.Go(func() error { return s.tell(gctx) })
	err = g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

const startTimeout = 30 * time.Second

func (s *Server) connect() (*nats.Conn, error) {
	public, err := s.own.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.Name("bus"), nats.Nkey(public, s.own.Sign),
		nats.CustomInboxPrefix(events.InboxPrefix(events.Busd)), nats.NoReconnect(), nats.MaxPingsOutstanding(1000))
	if err != nil {
		return nil, fmt.Errorf("bus: connect within the process: %w", err)
	}
	return nc, nil
}

var _ nats.InProcessConnProvider = (*Server)(nil)
