package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// Command is one request as its target gets it.
type Command struct {
	events.Envelope
	Body events.Body
}

// Bounds of the work queue.
const (
	ackWait    = 30 * time.Second
	ackTimeout = time.Second
	// remembered is how many handled commands a target knows by id, for those
	// whose acknowledgement was lost.
	remembered = 1024
)

// Send asks a target for something and returns the request's id, by which its
// outcome is known, once the bus has it. It tries until ctx ends.
func (c *Conn) Send(ctx context.Context, to events.CommandAddress, body events.Body) (events.ID, error) {
	id := NewID()
	return id, c.SendAs(ctx, id, to, body)
}

// SendAs is [Conn.Send] with an id of the caller's: the same request sent again
// is one.
func (c *Conn) SendAs(ctx context.Context, id events.ID, to events.CommandAddress, body events.Body) error {
	to.Verb = body.EventType().Verb()
	fail := func(err error) error {
		return fmt.Errorf("ask %s on node %s for %s of %s: %w", to.Target, to.Node, to.Verb, to.Entity, err)
	}
	if err := errors.Join(events.CheckToken(string(to.Target)), events.CheckToken(string(to.Entity))); err != nil {
		return fail(err)
	}
	e, err := events.New(events.Header{ID: id, Time: time.Now(), Node: to.Node, Source: events.Source(c.name), Entity: to.Entity}, body)
	if err != nil {
		return fail(err)
	}
	data, err := e.Encode()
	if err != nil {
		return fail(err)
	}
	m := &nats.Msg{Subject: string(events.CommandSubject(to.Node, to.Target, to.Entity, to.Verb)), Data: data}
	for attempt := 1; ; attempt++ {
		err := c.session(ctx, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			m.Header = nats.Header{}
			_, err := c.JS.PublishMsg(ctx, m, jetstream.WithMsgID(string(id)), jetstream.WithRetryAttempts(0))
			return err
		})
		var api *jetstream.APIError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fail(fmt.Errorf("%w (last attempt: %w)", ctx.Err(), err))
		case errors.As(err, &api), c.NC.IsClosed():
			return fail(err)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return fail(err)
		}
	}
}

// ServeCommands hands the commands for a target to handle, one after the other,
// until ctx ends. A command is taken off the queue when handle returns nil; after
// an error, or where the process ended in between, it comes again.
//
// What is no command for the target is taken off, logged, and told as a fact
// through the target's [Publisher], if one runs on this connection; where its id
// can be read its outcome is command.rejected.
func (c *Conn) ServeCommands(ctx context.Context, node events.Node, target events.Source, handle func(context.Context, Command) error) error {
	s := &served{c: c, node: node, target: target, handle: handle, handled: map[events.ID]bool{}}
	d := Durable{
		Stream: events.StreamCommands, Name: events.Durable(node, target),
		Filter: events.TargetCommands(node, target), AckWait: ackWait,
	}
	return c.consume(ctx, d, s.one)
}

// served is one target's queue.
type served struct {
	c       *Conn
	node    events.Node
	target  events.Source
	handle  func(context.Context, Command) error
	handled map[events.ID]bool
	order   []events.ID // of handled, oldest first
}

func (s *served) one(ctx context.Context, r events.Record) error {
	command, err := decodeCommand(r)
	if err != nil {
		s.reject(r, err)
		return nil
	}
	if s.handled[command.ID] {
		return nil
	}
	if err := s.handle(ctx, command); err != nil {
		return err
	}
	s.handled[command.ID] = true
	if s.order = append(s.order, command.ID); len(s.order) > remembered {
		delete(s.handled, s.order[0])
		s.order = s.order[1:]
	}
	return nil
}
