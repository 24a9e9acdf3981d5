package caddy

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/bus"
	"core.internal/shared/caddy"
	"core.internal/shared/caddy/site"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
)

// Definition is the daemon.
func Definition() daemon.Definition {
	return daemon.Definition{
		Name:  events.Caddyd,
		About: "the edge: serves HTTP and forwards to healthy services",
		Run:   run,
	}
}

func run(ctx context.Context, d *daemon.Daemon) (err error) {
	reloads := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "core_edge_reload_seconds", Help: "How long Caddy took to take a configuration.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 10),
	})
	sites := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "core_edge_sites", Help: "Services that the edge answers for, by state.",
	}, []string{"state"})
	d.Metrics.MustRegister(reloads, sites)
	server := caddy.New(caddy.Options{
		Site: site.Options{Listen: d.Config.EdgeListen}, Log: d.Log,
		Reloaded: func(took time.Duration) { reloads.Observe(took.Seconds()) },
	})
	// The view catches up while Caddy loads.
	view := bus.NewView(d.Bus, d.Config.Name)
	following, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- view.Run(following) }()
	defer func() {
		stop()
		<-done
	}()
	if err := server.Start(ctx); err != nil {
		return err
	}
	defer func() {
		if serr := server.Stop(); err == nil {
			err = serr
		}
	}()
	d.Healthy(func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return server.Check(ctx)
	})
	if err := d.Ready(ctx, map[string]string{"http": "http://" + d.Config.EdgeListen}); err != nil {
		return err
	}
	e := &edge{d: d, server: server, sites: sites, stated: map[events.Entity]stated{}}
	return e.follow(ctx, view)
}
