package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/log"
)

// Main runs a daemon as a process and exits: 0 when it was asked to stop, 1 when
// it failed, 2 when its settings are wrong.
func Main(def Definition) {
	err := Exec(context.Background(), def, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	var usage *config.UsageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%s: %v\n", def.Name, err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", def.Name, err)
		os.Exit(1)
	}
}

// Exec is a daemon's whole program. It returns nil after ctx ended or a signal
// asked it to stop.
func Exec(ctx context.Context, def Definition, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	d, err := prepare(def, args, environ, stderr)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", d.Config.MetricsListen)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w: choose another address with --metrics.listen", err)
	}
	d.MetricsAddress = listener.Addr().String()

	var g run.Group
	{ // signals
		g.Add(run.SignalHandler(ctx, syscall.SIGINT, syscall.SIGTERM))
	}
	{ // metrics and health
		server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second}
		g.Add(func() error {
			return server.Serve(listener)
		}, func(error) { server.Close() })
	}
	{ // the work, with the bus connection around it
		ctx, cancel := context.WithCancel(ctx)
		g.Add(func() error {
			return d.work(ctx, def)
		}, func(error) { cancel() })
	}
	err = g.Run()
	var signal *run.SignalError
	if errors.As(err, &signal) || errors.Is(err, run.ErrSignal) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		d.Log.Info("stopped", "cause", err)
		return nil
	}
	return err
}

// prepare resolves the settings and makes everything that needs no other party.
func prepare(def Definition, args, environ []string, stderr io.Writer) (*Daemon, error) {
	set := config.New(string(def.Name))
	set.SetOutput(stderr)
	var node config.Node
	node.Register(set)
	if def.Settings != nil {
		def.Settings(set)
	}
	set.Usage = func() {
		fmt.Fprintf(stderr, "%s: %s\n\nSettings, each also as CORE_… variable or in the file named by --config:\n", def.Name, def.About)
		set.PrintDefaults()
	}
	if err := set.Parse(args, environ); err != nil {
		return nil, err
	}
	if rest := set.Args(); len(rest) > 0 {
		return nil, &config.UsageError{Err: fmt.Errorf("unexpected argument %q: %s takes settings only, see --help", rest[0], def.Name)}
	}
	if err := node.Validate(); err != nil {
		return nil, err
	}
	logger, err := log.New(stderr, log.Options{Level: node.LogLevel, Format: node.LogFormat, Source: def.Name, Node: node.Name})
	if err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Daemon{
		Name: def.Name, Config: node, Layout: node.Layout(), Log: logger, Metrics: metrics, began: time.Now(),
		Facts: bus.NewPublisher(bus.PublisherOptions{Node: node.Name, Source: def.Name, Log: logger}),
	}, nil
}

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := d.check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	return mux
}

// Version is the version of the module this binary was built from, "devel" for
// a build from a working tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
