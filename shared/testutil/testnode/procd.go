package testnode

import (
	"context"

	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
)

// Procd is a controller that runs nothing: what happens to its services is what
// the test says.
type Procd struct {
	// Services are registered and wanted when procd becomes ready.
	Services []Service
	// Drain is what the end of the services takes; nothing if nil. An error is
	// the command's failure.
	Drain func(context.Context) error
}

// Service is one service and what procd says of it once it is ready.
type Service struct {
	ID         events.Entity
	Registered events.ServiceRegistered
	Facts      []events.Body
}

// Healthy is a service that runs and does its work.
func Healthy(id events.Entity, port ...events.Port) Service {
	return Service{ID: id, Registered: registered(id), Facts: []events.Body{
		events.ServiceStarting{Instance: "one"},
		events.ServiceStarted{Instance: "one", PID: 1, Ports: port},
		events.ServiceHealthy{Instance: "one"},
	}}
}

// Failing is a service that was given up.
func Failing(id events.Entity, reason string, lastLines ...string) Service {
	return Service{ID: id, Registered: registered(id), Facts: []events.Body{
		events.ServiceStarting{Instance: "one"},
		events.ServiceExited{Instance: "one", PID: 1, Code: 3, LastLines: lastLines},
		events.ServiceExhausted{Reason: reason, LastLines: lastLines},
	}}
}

// Waiting is a service that does not start before another.
func Waiting(id, on events.Entity) Service {
	s := Service{ID: id, Registered: registered(id), Facts: []events.Body{
		events.ServiceWaiting{On: []string{string(on)}, Reason: "waits for " + string(on)},
	}}
	s.Registered.Dependencies = []string{string(on)}
	return s
}

// Required is a service without which a node is not up.
func Required(s Service) Service {
	s.Registered.Required = true
	return s
}

func registered(id events.Entity) events.ServiceRegistered {
	return events.ServiceRegistered{Name: string(id), Digest: "0"}
}

// Definition is the daemon.
func (p Procd) Definition() daemon.Definition {
	return daemon.Definition{Name: events.Procd, About: "the controller of a test", Run: p.run}
}

func (p Procd) run(ctx context.Context, d *daemon.Daemon) error {
	if err := d.Await(ctx); err != nil {
		return err
	}
	for _, s := range p.Services {
		d.Facts.State(s.ID, s.Registered, "")
		d.Facts.State(s.ID, events.ServiceDesired{Enabled: true, Running: true}, "")
	}
	if err := d.Ready(ctx, nil); err != nil {
		return err
	}
	for _, s := range p.Services {
		for _, f := range s.Facts {
			d.Facts.State(s.ID, f, "")
		}
	}
	return d.Bus.ServeCommands(ctx, d.Config.Name, events.Procd, func(ctx context.Context, c bus.Command) error {
		verb := c.Type.Verb()
		if _, ok := c.Body.(events.DrainServices); !ok {
			d.Facts.State(c.Entity, events.CommandRejected{Verb: verb, Reason: "not in this test"}, c.ID)
			return nil
		}
		d.Facts.State(c.Entity, events.CommandAccepted{Verb: verb}, c.ID)
		if p.Drain != nil {
			if err := p.Drain(ctx); err != nil {
				d.Facts.State(c.Entity, events.CommandFailed{Verb: verb, Reason: err.Error()}, c.ID)
				return nil
			}
		}
		for _, s := range p.Services {
			d.Facts.State(s.ID, events.ServiceStopped{Reason: "node is going down"}, c.ID)
		}
		d.Facts.State(c.Entity, events.CommandCompleted{Verb: verb}, c.ID)
		return nil
	})
}
