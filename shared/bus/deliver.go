package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// window is how many facts are on their way at once. Facts of one entity never
// are: each has to say which one it follows.
const window = 64

// outbox is what deliver sends: at returns the i-th fact that has not landed, or
// a channel that is closed when it may be there (nil for never).
type outbox struct {
	at     func(i int) (fact, bool, <-chan struct{})
	landed func(fact)
}

// flight is a fact on its way.
type flight struct {
	fact
	last uint64 // the sequence it follows
	ack  jetstream.PubAckFuture
	late time.Time // when it counts as unanswered
}

func (f flight) unanswered() error {
	return fmt.Errorf("append %s to %s: no answer within %s", f.envelope.ID, f.envelope.Subject(), requestTimeout)
}

// deliver sends facts until there is none left to come. They leave in order, and
// a lost connection loses what left last, so they land in order too.
func (p *Publisher) deliver(ctx context.Context, c *Conn, log *factLog, box outbox) error {
	var flying []flight
	busy := map[events.Entity]bool{}
	timer := time.NewTimer(requestTimeout)
	defer timer.Stop()
	for {
		f, there, more := box.at(len(flying))
		if there && len(flying) < window && !busy[f.envelope.Entity] {
			one, err := p.depart(ctx, log, f)
			if err != nil {
				return p.strand(flying, err)
			}
			flying = append(flying, one)
			busy[f.envelope.Entity] = true
			continue
		}
		if len(flying) == 0 {
			if more == nil {
				return nil
			}
			select {
			case <-more:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if len(flying) >= window {
			more = nil
		}
		first := flying[0]
		timer.Reset(time.Until(first.late))
		select {
		case <-more:
			continue
		case ack := <-first.ack.Ok():
			if err := p.land(first, ack.Sequence); err != nil {
				return p.strand(flying, err)
			}
			box.landed(first.fact)
			delete(busy, first.envelope.Entity)
			flying = flying[1:]
		case err := <-first.ack.Err():
			if err := p.recover(ctx, c, log, flying, err, box.landed); err != nil {
				return p.strand(flying, err)
			}
			flying = flying[:0]
			clear(busy)
		case <-timer.C:
			return p.strand(flying, first.unanswered())
		case <-ctx.Done():
			return p.strand(flying, context.Cause(ctx))
		}
	}
}

// depart sends a fact on its way.
func (p *Publisher) depart(ctx context.Context, log *factLog, f fact) (flight, error) {
	e := f.envelope
	last, known := p.last[e.Entity]
	if !known && !p.all {
		var err error
		if last, err = log.Last(ctx, events.EntityFacts(e.Node, e.Source, e.Entity)); err != nil {
			return flight{}, err
		}
	}
	if !log.c.NC.IsConnected() {
		// Kept by the client until it is back, it would come before what has to be
		// repeated first.
		return flight{}, errChanged
	}
	m, options := message(e, f.data, last)
	ack, err := log.c.JS.PublishMsgAsync(m, options...)
	if err != nil {
		return flight{}, fmt.Errorf("append %s to %s: %w", e.ID, m.Subject, err)
	}
	return flight{f, last, ack, time.Now().Add(requestTimeout)}, nil
}

// land notes that a fact is stored.
func (p *Publisher) land(f flight, seq uint64) error {
	if seq > f.last && seq <= p.seen {
		return errors.New("the stream's sequence went back") // and is looked at again
	}
	// A repeated fact that was still there answers with its old sequence.
	p.last[f.envelope.Entity] = max(f.last, seq)
	p.seen = max(p.seen, seq)
	return nil
}

// strand forgets what the facts on their way follow: they may have landed.
func (p *Publisher) strand(flying []flight, err error) error {
	p.all = false
	for _, f := range flying {
		delete(p.last, f.envelope.Entity)
	}
	return err
}

// recover sees to facts of which the first was not stored because the log was not
// where it was expected to be: the others land, and then those that were not stored
// are sent again one by one.
func (p *Publisher) recover(ctx context.Context, c *Conn, log *factLog, flying []flight, cause error, landed func(fact)) error {
	if !wrongSequence(cause) {
		return fmt.Errorf("append %s to %s: %w", flying[0].envelope.ID, flying[0].envelope.Subject(), cause)
	}
	again := make([]bool, len(flying))
	again[0] = true
	for i, f := range flying[1:] {
		timer := time.NewTimer(time.Until(f.late))
		var err error
		select {
		case ack := <-f.ack.Ok():
			err = p.land(f, ack.Sequence)
		case <-f.ack.Err():
			again[i+1] = true
		case <-timer.C:
			err = f.unanswered()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		timer.Stop()
		if err != nil {
			return err
		}
	}
	for i, f := range flying {
		if again[i] {
			if err := p.resend(ctx, c, log, f); err != nil {
				return err
			}
		}
		landed(f.fact)
	}
	return nil
}

// resend appends a fact at whatever the log says is the last of its entity: an
// earlier attempt stored it, or another writer of this source interfered.
func (p *Publisher) resend(ctx context.Context, c *Conn, log *factLog, f flight) error {
	e := f.envelope
	for {
		seq, id, err := log.last(ctx, events.EntityFacts(e.Node, e.Source, e.Entity))
		if err != nil {
			return err
		}
		if id == e.ID { // stored by an attempt that was not acknowledged
			f.last = seq
			return p.land(f, seq)
		}
		if err := p.same(ctx, c); err != nil {
			return err
		}
		if seq != f.last {
			conflict := &events.ConflictError{Subject: events.EntityFacts(e.Node, e.Source, e.Entity), Want: f.last, Got: seq}
			p.o.Log.Error("another writer states facts as this source: is a second one running?", "error", conflict)
			if p.o.OnConflict != nil {
				p.o.OnConflict(conflict)
			}
		}
		f.last = seq
		actx, cancel := context.WithTimeout(ctx, requestTimeout)
		seq, err = log.append(actx, e, f.data, f.last)
		cancel()
		var conflict *events.ConflictError
		if errors.As(err, &conflict) {
			continue
		}
		if err != nil {
			return err
		}
		return p.land(f, seq)
	}
}
