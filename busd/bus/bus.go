package bus

import (
	"context"
	"errors"
	"fmt"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
)

// Definition is the daemon busd.
func Definition() daemon.Definition {
	b := &broker{}
	return daemon.Definition{
		Name:   events.Busd,
		About:  "the bus of a node: an embedded NATS server with JetStream",
		Broker: b.start,
		Run:    b.run,
	}
}

// broker is the server while its daemon runs.
type broker struct {
	server *server.Server
	ended  chan struct{} // closed when the server has ended
	err    error         // why; valid once ended is closed
}

// start runs the server and returns how to connect to it and how to end it. The
// server outlives ctx until then, so that the daemon's last facts are stored.
func (b *broker) start(ctx context.Context, d *daemon.Daemon) (bus.Options, func(), error) {
	for _, s := range platform() {
		err := bus.Mint(d.Layout.Keys(), s)
		if err != nil && s == d.Name {
			return bus.Options{}, nil, err
		}
		if err != nil { // that one cannot connect; the others can
			d.Log.Error("a credential cannot be used", "source", s, "error", err)
		}
	}
	s, err := server.New(server.Config{
		Node: d.Config.Name, Listen: d.Config.BusListen, Store: d.Config.BusStore, StoreDir: d.Layout.Store(),
		Keys: d.Layout.Keys(), Sync: d.Config.BusSync, Log: d.Log,
		Refused: func(r events.ClientRefused) { d.Facts.State(events.ClientsEntity, r, "") },
	})
	if err != nil {
		return bus.Options{}, nil, err
	}
	if err := d.Metrics.Register(s.Collector()); err != nil {
		return bus.Options{}, nil, fmt.Errorf("bus: metrics: %w", err)
	}
	serve, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.server, b.ended = s, make(chan struct{})
	go func() {
		defer close(b.ended)
		b.err = s.Run(serve)
	}()
	stop := func() {
		cancel()
		<-b.ended
	}
	select {
	case <-s.Ready():
		return bus.Options{InProcess: s, Seed: bus.SeedFile(d.Layout.Keys(), events.Busd), Log: d.Log}, stop, nil
	case <-b.ended:
		cancel()
		return bus.Options{}, nil, b.err
	case <-ctx.Done():
		stop()
		return bus.Options{}, nil, ctx.Err()
	}
}

// run says that the bus is there and stays until ctx ends.
func (b *broker) run(ctx context.Context, d *daemon.Daemon) error {
	d.Healthy(b.server.Healthy)
	url := b.server.ClientURL()
	d.Log.Info("the bus answers", "url", url, "operator", bus.SeedFile(d.Layout.Keys(), events.Operator), "store", d.Config.BusStore)
	if err := d.Ready(ctx, map[string]string{"nats": url}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ended:
		return errors.Join(errors.New("the bus ended by itself"), b.err)
	}
}

// platform lists the sources whose keys every bus has: its own daemons, the
// launcher and the shells.
func platform() []events.Source {
	return append(events.Daemons(), events.Launcher, events.Operator, events.Console)
}
