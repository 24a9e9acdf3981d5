package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// upServices waits until every enabled service is healthy and, where the edge
// exposes it, reachable. A service that is not required may fail: the node is
// up without it, and says so.
func (n *Node) upServices(ctx context.Context) error {
	s, err := n.view.Wait(ctx, n.settled)
	if err != nil {
		s = n.view.State()
	}
	for _, id := range sortedIDs(s.Services) {
		service := s.Services[id]
		if n.settledWell(s, service) {
			continue
		}
		reason := fmt.Sprintf("service %s is %s", id, service.State)
		if service.Reason != "" {
			reason += ": " + service.Reason
		}
		if service.Registered.Required {
			failure := &StageError{Err: errors.New(reason), Fix: "correct that and start the node again"}
			if written(n.layout.Log(string(id))) {
				failure.Fix = fmt.Sprintf("`launcher logs %s` shows what it wrote; correct that and start the node again", id)
			}
			if service.LastExit != nil {
				failure.LastLines = service.LastExit.LastLines
			}
			return failure
		}
		n.detail("services", reason)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil // said above, service by service
	}
	return err
}

// settled reports whether it is known of each service how it starts.
func (n *Node) settled(s state.State) bool {
	for _, service := range s.Services {
		if !n.settledWell(s, service) && service.State != state.ServiceFailed && !n.heldBack(s, service) {
			return false
		}
	}
	return true
}

// heldBack reports whether a service waits for one that failed.
func (n *Node) heldBack(s state.State, service state.Service) bool {
	return service.State == state.ServiceWaiting && slices.ContainsFunc(service.Registered.Dependencies, func(d string) bool {
		on, ok := s.Services[events.Entity(d)]
		return ok && (on.State == state.ServiceFailed || n.heldBack(s, on))
	})
}

func (n *Node) settledWell(s state.State, service state.Service) bool {
	if !service.Desired.Running || service.State == state.ServiceCompleted || service.State == state.ServiceScheduled {
		return true
	}
	if service.State != state.ServiceRunning || service.Health != state.HealthHealthy {
		return false
	}
	if service.HealthyAt.Before(n.began) && !n.adopted[events.Procd] {
		return false // from an earlier life of the node, and procd has not spoken yet
	}
	if len(service.Registered.Routes) == 0 || n.omitted(events.Caddyd) {
		return true
	}
	route := s.Routes[service.ID].State
	return route == state.RouteOpen || route == state.RouteRefused
}

// downServices asks procd to stop every service in reverse order.
func (n *Node) downServices(ctx context.Context) error {
	if n.conn == nil || !n.daemon(events.Procd).Desired.Running {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*n.Config.StopTimeout)
	defer cancel()
	address := events.CommandAddress{Node: n.Config.Name, Target: events.Procd, Entity: events.NodeEntity}
	id, err := n.conn.Send(ctx, address, events.DrainServices{})
	if err != nil {
		return fmt.Errorf("ask procd to stop the services: %w", err)
	}
	done := make(chan struct{})
	defer close(done)
	go n.sayWhoHolds(done)
	s, err := n.view.Wait(ctx, func(s state.State) bool {
		o, ok := s.Outcome(id)
		return ok && o.State.Final()
	})
	if err != nil {
		return fmt.Errorf("wait for the services to stop: %w", err)
	}
	if o, _ := s.Outcome(id); o.State != state.OutcomeCompleted {
		return fmt.Errorf("stop the services: %s", o.Reason)
	}
	return nil
}

// sayWhoHolds names, every second, the services that the shutdown waits for.
func (n *Node) sayWhoHolds(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			var holding []string
			for id, s := range n.view.State().Services {
				if s.Alive() {
					holding = append(holding, string(id))
				}
			}
			slices.Sort(holding)
			if len(holding) > 0 {
				n.detail("services", "shutdown held by "+strings.Join(holding, ", "))
			}
		}
	}
}

// upShells checks that the console answers through the edge and records where
// the node is to be found.
func (n *Node) upShells(ctx context.Context) error {
	n.summary.Node = n.Config.Name
	n.summary.BusURL = n.busURL()
	if !n.omitted(events.Caddyd) {
		n.summary.EdgeURL = n.edgeURL()
	}
	var console string
	service, ok := n.view.State().Services[events.Entity(events.Console)]
	if ok && service.Desired.Running && service.Health == state.HealthHealthy {
		console = n.consoleURL(service)
		if err := n.get(ctx, n.probeURL(service)+"/health", consoleHost); err != nil {
			return &StageError{Err: fmt.Errorf("the console does not answer at %s: %w", console, err), Fix: "`launcher logs console`"}
		}
		token, err := n.token()
		if err != nil {
			return err
		}
		n.summary.ConsoleURL = console + "/login?token=" + token
	}
	return n.record(console)
}

const consoleHost = "console.localhost"

// consoleURL is the console's address for a browser.
func (n *Node) consoleURL(s state.Service) string {
	if n.omitted(events.Caddyd) {
		return n.probeURL(s)
	}
	_, port, _ := net.SplitHostPort(n.Config.EdgeListen)
	return "http://" + net.JoinHostPort(consoleHost, port)
}

// probeURL is an address that needs no name resolution.
func (n *Node) probeURL(s state.Service) string {
	if !n.omitted(events.Caddyd) {
		return n.edgeURL()
	}
	for _, p := range s.Ports {
		return fmt.Sprintf("http://127.0.0.1:%d", p.Port)
	}
	return "http://127.0.0.1"
}

func (n *Node) edgeURL() string { return "http://" + n.Config.EdgeListen }

func (n *Node) busURL() string {
	if n.Config.BusURL != "" {
		return n.Config.BusURL
	}
	return "nats://" + n.Config.BusListen
}

func (n *Node) presence() events.Presence {
	return events.Presence{PID: os.Getpid(), Version: daemon.Version(), Started: n.began.UTC()}
}

func sortedIDs(m map[events.Entity]state.Service) []events.Entity {
	ids := make([]events.Entity, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
