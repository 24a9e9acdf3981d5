package caddy

import (
	"context"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

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

func run(ctx context.Context, d *daemon.Daemon) error {
	server := caddy.New(caddy.Options{
		Listen: d.Config.EdgeListen, Storage: filepath.Join(d.Layout.Dir, "edge"), Node: string(d.Config.Name), Log: d.Log,
	})
	d.Metrics.MustRegister(server.Collector())
	view := bus.NewView(d.Bus, d.Config.Name)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error { // the view catches up while Caddy loads
		if err := view.Run(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	})
	g.Go(func() error {
		select {
		case <-server.Ready():
		case <-ctx.Done():
			return nil
		}
		d.Healthy(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return server.Check(ctx)
		})
		if err := d.Ready(ctx, map[string]string{"http": "http://" + server.Address()}); err != nil {
			return err
		}
		e := &edge{d: d, server: server, writes: map[events.Entity]site.Site{}}
		return e.follow(ctx, view)
	})
	return g.Wait()
}
