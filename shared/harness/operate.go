package harness

import (
	"context"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Operator is a connection with the operator's credential, as a shell has it.
func (n *Node) Operator() *bus.Conn {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client == nil {
		n.client = n.Connect(events.Operator)
	}
	return n.client
}

// Connect connects with somebody's credential; the caller closes.
func (n *Node) Connect(as events.Source) *bus.Conn {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := bus.Connect(ctx, bus.Options{URL: n.Summary().BusURL, Name: string(as), Seed: n.Layout.Seed(as)})
	if err != nil {
		n.t.Fatalf("harness: connect as %s: %v", as, err)
	}
	return c
}

// Command sends a request to procd about a service and returns its outcome.
func (n *Node) Command(service events.Entity, body events.Body) state.Outcome {
	n.t.Helper()
	return n.Request(events.Procd, service, body)
}

// Request sends a request and returns its final outcome.
func (n *Node) Request(target events.Source, entity events.Entity, body events.Body) state.Outcome {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, err := n.Operator().Send(ctx, events.CommandAddress{Node: n.Config.Name, Target: target, Entity: entity}, body)
	if err != nil {
		n.t.Fatalf("harness: send %s to %s: %v", body.EventType(), target, err)
	}
	var outcome state.Outcome
	n.Wait("the outcome of "+string(body.EventType()), func(s state.State) bool {
		var ok bool
		outcome, ok = s.Outcome(id)
		return ok && outcome.State.Final()
	})
	return outcome
}

// Facts returns every fact that the node's log holds, in order.
func (n *Node) Facts() []events.Envelope {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var facts []events.Envelope
	for r, err := range n.Operator().Events().Read(ctx, 0) {
		if err != nil {
			n.t.Fatalf("harness: read the facts: %v", err)
		}
		if e, err := events.DecodeRecord(r); err == nil {
			facts = append(facts, e)
		}
	}
	return facts
}
