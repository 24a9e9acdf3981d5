package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// Durable names a consumer whose place the bus remembers.
type Durable struct {
	Stream string // the facts if empty
	// Name is unique among the stream's consumers; begin it with the source.
	Name   string
	Filter events.Subject
	// AckWait is how long the bus waits for a sign of life from who handles a
	// record; 30 s if 0.
	AckWait time.Duration
}

// Consume hands facts to fn in order, each until fn returns nil, from where the
// consumer of that name left off: also one of an earlier process. A fact comes
// again where the process or the bus ended between fn and its acknowledgement.
// Where the bus lost the stream it begins at the beginning of the new one.
func (c *Conn) Consume(ctx context.Context, d Durable, fn func(context.Context, events.Record) error) error {
	if d.Stream == "" {
		d.Stream = events.StreamEvents
	}
	return c.consume(ctx, d, fn)
}

func (c *Conn) consume(ctx context.Context, d Durable, fn func(context.Context, events.Record) error) error {
	if d.AckWait == 0 {
		d.AckWait = ackWait
	}
	for attempt := 1; ; attempt++ {
		began := time.Now()
		err := c.session(ctx, func(session context.Context) error {
			return c.take(session, d, func(r events.Record) error {
				if ctx.Err() != nil { // which session may learn a little later
					return ctx.Err()
				}
				return fn(ctx, r)
			})
		})
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("consume %s as %s: %w", d.Stream, d.Name, ctx.Err())
		case c.NC.IsClosed():
			return fmt.Errorf("consume %s as %s: %w", d.Stream, d.Name, err)
		case errors.Is(err, errChanged), errors.Is(err, context.Canceled):
			continue
		}
		if time.Since(began) > retryMax {
			attempt = 1
		}
		if attempt&(attempt-1) == 0 {
			c.log.Warn("consuming begins again", "stream", d.Stream, "consumer", d.Name, "attempt", attempt, "cause", err)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return fmt.Errorf("consume %s as %s: %w", d.Stream, d.Name, err)
		}
	}
}

// take consumes until the connection changes or the consumer is lost.
func (c *Conn) take(ctx context.Context, d Durable, fn func(events.Record) error) error {
	consumer, err := c.JS.CreateOrUpdateConsumer(ctx, d.Stream, jetstream.ConsumerConfig{
		Durable: d.Name, FilterSubject: string(d.Filter),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: d.AckWait, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverAllPolicy, MaxAckPending: 1,
	})
	if err != nil {
		return err
	}
	// An earlier holder ended before it acknowledged: do not wait until the bus
	// notices.
	owed := consumer.CachedInfo().NumAckPending > 0
	if owed {
		if err := c.rewind(ctx, d); err != nil {
			return err
		}
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pullMessages), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		soon, cancel := ctx, context.CancelFunc(func() {})
		if owed {
			soon, cancel = context.WithTimeout(ctx, owedWait)
		}
		m, err := messages.Next(jetstream.NextContext(soon))
		cancel()
		switch {
		case err == nil:
		case !owed || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
			return err
		default:
			// It went to the subscription of the earlier holder, if that was just
			// being ended.
			info, err := consumer.Info(ctx)
			if err != nil {
				return err
			}
			if owed = info.NumAckPending > 0; owed {
				if err := c.rewind(ctx, d); err != nil {
					return err
				}
			}
			continue
		}
		owed = false
		if err := c.handle(ctx, d, m, fn); err != nil {
			return err
		}
	}
}

// owedWait is how soon a record comes that an earlier holder left.
const owedWait = time.Second

// rewind has the bus hand out again what was not acknowledged.
func (c *Conn) rewind(ctx context.Context, d Durable) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := c.ask(ctx, events.StreamAPI("CONSUMER.RESET", d.Stream, d.Name), struct{}{}, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// handle hands one record to fn until it succeeds, and keeps it from being
// handed out elsewhere meanwhile.
func (c *Conn) handle(ctx context.Context, d Durable, m jetstream.Msg, fn func(events.Record) error) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	r := events.Record{Seq: meta.Sequence.Stream, Subject: events.Subject(m.Subject()), Time: meta.Timestamp.UTC(), Data: m.Data()}
	handled, renewed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(renewed)
		renew := time.NewTicker(d.AckWait / 3)
		defer renew.Stop()
		for {
			select {
			case <-renew.C:
				_ = m.InProgress()
			case <-handled:
				return
			}
		}
	}()
	defer func() {
		close(handled)
		<-renewed
	}()
	for attempt := 1; ; attempt++ {
		err := fn(r)
		if err == nil {
			// Also at the end: what was handled is not to come again.
			ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
			defer cancel()
			return m.DoubleAck(ack)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.log.Warn("a record is handed out again", "stream", d.Stream, "consumer", d.Name, "seq", r.Seq, "cause", err)
		if err := sleep(ctx, min(backoff(attempt)*8, 2*time.Second)); err != nil {
			return err
		}
	}
}
