package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// Options say what one service is made of.
type Options struct {
	ID       events.Source
	Settings Settings
	// Log is where the service logs; nowhere if nil.
	Log *slog.Logger
	// Handler answers what /health and /metrics do not, from before there is
	// a bus until the last request has ended.
	Handler http.Handler
	// Work is what the service does with the bus. It calls [Service.Ready] when
	// it serves and returns soon after ctx ends. It goes on while requests in
	// flight end, so that they can rely on it. That it returns early is an error.
	Work func(ctx context.Context, s *Service) error
	// Drain is called as the service begins to stop, before it waits for
	// requests to end: the place to end those that would last. May be nil.
	Drain func()
	// Metrics is what /metrics shows; a registry with the process's own figures
	// if nil.
	Metrics *prometheus.Registry
}

// Service is what a running service has.
type Service struct {
	ID    events.Source
	Node  events.Node
	Log   *slog.Logger
	Bus   *bus.Conn
	Facts *bus.Publisher
	// Address is where HTTP is answered, as host:port.
	Address string

	metrics string // where /metrics is, if elsewhere
	health  *health
}

// NewMetrics returns a registry with the figures of the process.
func NewMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// lastWords bounds how long a stopping service waits for its last fact to be
// acknowledged.
const lastWords = time.Second

// Run is a service's life. It returns nil after ctx ended or a signal asked the
// process to stop.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	listener, err := listen("listen", o.Settings.Listen)
	if err != nil {
		return err
	}
	s := &Service{
		ID: o.ID, Node: o.Settings.Node, Log: o.Log, Address: listener.Addr().String(), health: &health{},
		Facts: bus.NewPublisher(bus.PublisherOptions{Node: o.Settings.Node, Source: o.ID, Log: o.Log}),
	}
	var g run.Group
	{ // signals
		g.Add(run.SignalHandler(ctx, syscall.SIGINT, syscall.SIGTERM))
	}
	if o.Settings.MetricsListen != "" { // metrics, apart from the rest
		apart, err := listen("listen.metrics", o.Settings.MetricsListen)
		if err != nil {
			listener.Close()
			return err
		}
		s.metrics = apart.Addr().String()
		server := newServer(metricsHandler(o.Metrics), o.Log)
		g.Add(func() error { return server.Serve(apart) }, func(error) { server.Close() })
	}
	// The work outlives HTTP: its context ends when the last request has ended.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	{ // HTTP until asked to stop, then until what is in flight has ended
		stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
		server := newServer(s.handler(o), o.Log)
		g.Add(func() error {
			defer stopWorking()
			return serve(stopping, server, listener, o.Settings.StopTimeout, func() {
				s.health.stop()
				if o.Drain != nil {
					o.Drain()
				}
			})
		}, func(error) { stop() })
	}
	{ // the bus and the work; interrupted by HTTP's end
		g.Add(func() error { return s.work(working, o) }, func(error) {})
	}
	err = g.Run()
	if errors.Is(err, run.ErrSignal) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		o.Log.Info("stopped", "cause", err)
		return nil
	}
	return err
}

// work connects, runs the service's own work and says goodbye.
func (s *Service) work(ctx context.Context, o Options) error {
	conn, err := bus.Connect(ctx, bus.Options{
		URL: o.Settings.BusURL, Name: string(o.ID), Seed: o.Settings.BusSeedFile, Log: o.Log, Waiting: s.waiting(o.Settings.BusURL),
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	s.Bus = conn
	s.health.conn.Store(conn.NC)

	// Facts and presence go on while the work winds down.
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var around errgroup.Group
	around.Go(func() error { return s.Facts.Run(outer, conn) })
	around.Go(func() error {
		return conn.Heartbeat(outer, s.Node, s.ID, events.Presence{PID: os.Getpid(), Version: Version(), Started: time.Now().UTC()})
	})

	err = o.Work(ctx, s)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil:
		err = errors.New("the service's work ended by itself")
	}
	s.Facts.State(events.Entity(s.ID), events.DaemonStopped{Reason: reason(err)}, "")
	if conn.NC.IsConnected() {
		flush, cancel := context.WithTimeout(outer, lastWords)
		defer cancel()
		if ferr := s.Facts.Flush(flush); ferr != nil {
			s.Log.Warn("the last facts were not acknowledged", "error", ferr)
		}
	}
	stop()
	if aerr := around.Wait(); aerr != nil && !errors.Is(aerr, context.Canceled) {
		s.Log.Warn("bus", "error", aerr)
	}
	return err
}

func reason(err error) string {
	if errors.Is(err, context.Canceled) {
		return "asked to stop"
	}
	return err.Error()
}

// waiting says, first after a second and then every few, what is waited for.
func (s *Service) waiting(url string) func(int, error) {
	began := time.Now()
	next := began.Add(time.Second)
	return func(_ int, err error) {
		if now := time.Now(); now.After(next) {
			next = now.Add(5 * time.Second)
			s.Log.Info("waiting for the bus: start one with `busd`, or name it with CORE_BUS_URL",
				"url", url, "waited", now.Sub(began).Round(time.Second).String(), "cause", err)
		}
	}
}

// Ready states that the service serves, and returns when the bus has
// acknowledged it. From then on the service is healthy.
func (s *Service) Ready(ctx context.Context) error {
	addresses := map[string]string{"http": s.Address}
	if s.metrics != "" {
		addresses["metrics"] = s.metrics
	}
	s.Facts.State(events.Entity(s.ID), events.DaemonReady{PID: os.Getpid(), Version: Version(), Addresses: addresses}, "")
	if err := s.Facts.Flush(ctx); err != nil {
		return fmt.Errorf("state that %s is ready: %w", s.ID, err)
	}
	s.health.ready()
	s.Log.Info("ready", "addresses", addresses)
	return nil
}

// listen opens one listener, saying what to do where the port is taken.
func listen(setting, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another process has that port: choose another with --%s, or port 0 for any", address, setting)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another address with --%s", address, err, setting)
	}
	return l, nil
}

// serve answers HTTP until ctx ends. Then it calls drain, waits for requests in
// flight and cuts those off that take longer than the grace.
func serve(ctx context.Context, server *http.Server, l net.Listener, grace time.Duration, drain func()) error {
	var failed atomic.Pointer[error]
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed.Store(&err)
			cancel()
		}
	})
	<-ctx.Done()
	drain()
	bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	if err := server.Shutdown(bounded); err != nil {
		server.Close()
	}
	serving.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), *err)
	}
	return nil
}
