package testnode

import (
	"context"
	"io"
	"net"
	"net/http"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
)

// Daemons are those of a whole node, the edge among them, in the order in which
// they start.
func Daemons(p Procd) []daemon.Definition {
	return []daemon.Definition{Busd(), Caddyd(), p.Definition(), Pipelined()}
}

// Busd is a bus with the store that its settings name.
func Busd() daemon.Definition {
	var url string
	return daemon.Definition{
		Name: events.Busd, About: "the bus of a test",
		Broker: func(ctx context.Context, d *daemon.Daemon) (bus.Options, func(), error) {
			s, err := server.New(server.Config{
				Node: d.Config.Name, Listen: d.Config.BusListen, Store: d.Config.BusStore, StoreDir: d.Layout.Store(),
				Keys: d.Layout.Keys(), Sync: d.Config.BusSync, Log: d.Log,
			})
			if err != nil {
				return bus.Options{}, nil, err
			}
			serve, cancel := context.WithCancel(context.WithoutCancel(ctx))
			ended := make(chan error, 1)
			go func() { ended <- s.Run(serve) }()
			select {
			case <-s.Ready():
			case err := <-ended:
				cancel()
				return bus.Options{}, nil, err
			}
			url = s.ClientURL()
			stop := func() {
				cancel()
				<-ended
			}
			return bus.Options{InProcess: s, Seed: d.Layout.Seed(events.Busd), Log: d.Log}, stop, nil
		},
		Run: func(ctx context.Context, d *daemon.Daemon) error {
			if err := d.Ready(ctx, map[string]string{"nats": url}); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
}

// Caddyd is an edge that answers its health route and no other.
func Caddyd() daemon.Definition {
	return daemon.Definition{
		Name: events.Caddyd, About: "the edge of a test",
		Run: func(ctx context.Context, d *daemon.Daemon) error {
			l, err := net.Listen("tcp", d.Config.EdgeListen)
			if err != nil {
				return err
			}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /.core/health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
			s := http.Server{Handler: mux}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(l) }()
			defer func() {
				s.Close()
				<-ended
			}()
			if err := d.Ready(ctx, map[string]string{"http": l.Addr().String()}); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
}

// Pipelined has no pipelines.
func Pipelined() daemon.Definition { return Idle(events.Pipelined) }

// Idle is a daemon that is ready and does nothing.
func Idle(name events.Source) daemon.Definition {
	return daemon.Definition{
		Name: name, About: "a daemon of a test that does nothing",
		Run: func(ctx context.Context, d *daemon.Daemon) error {
			if err := d.Ready(ctx, nil); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
}
