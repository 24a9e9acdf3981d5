package caddy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/caddy"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
)

// Definition is the daemon caddyd.
func Definition() daemon.Definition {
	return daemon.Definition{
		Name:  events.Caddyd,
		About: "the edge: serves HTTP and forwards to healthy services",
		Run:   run,
	}
}

func run(ctx context.Context, d *daemon.Daemon) error {
	server := caddy.New(caddy.Options{
		Listen: d.Config.EdgeListen, Node: string(d.Config.Name), Log: d.Log,
		Storage: filepath.Join(d.Layout.Data(string(events.Caddyd)), "caddy"),
	})
	if err := d.Metrics.Register(server.Collector()); err != nil {
		return fmt.Errorf("metrics of the edge: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return explain(server.Run(ctx)) })
	f := newFeed(d.Bus, d.Config.Name)
	g.Go(func() error { return f.run(ctx) })
	g.Go(func() error {
		select {
		case <-server.Ready():
		case <-ctx.Done():
			return ctx.Err()
		}
		d.Healthy(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return server.Check(ctx)
		})
		return newEdge(d, server).run(ctx, f)
	})
	return g.Wait()
}

// explain adds who holds the edge's address.
func explain(err error) error {
	var held *caddy.ListenError
	if !errors.As(err, &held) {
		return err
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: choose another address with --edge.listen", err)
	}
	who := "another process"
	if _, port, serr := net.SplitHostPort(held.Address); serr == nil {
		if n, perr := strconv.Atoi(port); perr == nil {
			if h, ok := ports.HolderOf(n); ok {
				who = h.String()
			}
		}
	}
	return fmt.Errorf("%w: it is held by %s: stop that, or choose another address with --edge.listen", err, who)
}
