package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/events"
)

// Follow says what to follow and from where.
type Follow struct {
	Stream string
	Filter events.Subject // everything if empty
	After  uint64         // the last sequence already known; 0 for none
	// Live is called when everything that was there when following began, or
	// began anew, has been handed over; may be nil.
	Live func()
	// Reset is called when the stream turns out to be another one, or to have
	// lost what was read from it; what follows starts at its beginning. May be
	// nil.
	Reset func()

	// Latest begins with the last record of each subject instead of all: what a
	// bucket holds, where a record without data is a key that was removed.
	Latest bool

	since time.Time // begin with the records stored since then
	more  []string  // further filters
}

// Bounds of one pull: what a follower may have in flight.
const (
	pullMessages  = 256
	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	pullIdle      = 15 * time.Second // a consumer that nobody pulls from is gone after
)

// Follow hands the records of a stream to fn, in order, without a gap and
// without a repetition within the stream's life, until ctx ends or fn fails. It
// survives lost connections, restarted servers and lost streams.
func (c *Conn) Follow(ctx context.Context, f Follow, fn func(events.Record) error) error {
	t := &tail{Follow: f, fn: fn, after: f.After}
	for attempt := 1; ; attempt++ {
		before := t.after
		err := c.session(ctx, func(ctx context.Context) error { return t.run(ctx, c) })
		var stop *stopError
		switch {
		case errors.As(err, &stop):
			return stop.err
		case ctx.Err() != nil:
			return fmt.Errorf("follow %s: %w", f.Stream, ctx.Err())
		case c.NC.IsClosed():
			return fmt.Errorf("follow %s: %w", f.Stream, err)
		}
		if t.after != before {
			attempt = 1
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) && t.known() {
			t.reset(time.Time{})
		}
		if !errors.Is(err, errChanged) && !errors.Is(err, context.Canceled) {
			level := slog.LevelDebug
			if attempt >= 8 && attempt&(attempt-1) == 0 {
				level = slog.LevelWarn
			}
			c.log.Log(ctx, level, "following begins again", "stream", f.Stream, "after", t.after, "attempt", attempt, "cause", err)
			if err := sleep(ctx, backoff(attempt)); err != nil {
				return fmt.Errorf("follow %s: %w", f.Stream, err)
			}
		}
	}
}

// stopError carries the error of a follower's own function.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// tail is how far a follower has come.
type tail struct {
	Follow
	fn func(events.Record) error

	created time.Time     // of the stream; zero before it was seen
	after   uint64        // the last sequence handed over or known before
	last    events.Record // the last record handed over, without its data
}

func (t *tail) known() bool { return !t.created.IsZero() || t.after > 0 }

func (t *tail) reset(created time.Time) {
	t.created, t.after, t.last = created, 0, events.Record{}
	if t.Reset != nil {
		t.Reset()
	}
}

// run follows until the connection changes.
func (t *tail) run(ctx context.Context, c *Conn) error {
	info, err := c.look(ctx, t.Stream, t.known())
	if err != nil {
		return err
	}
	lost := !t.created.IsZero() && !t.created.Equal(info.Created) || info.State.LastSeq < t.after
	if lost {
		t.reset(info.Created)
	}
	t.created = info.Created

	consumer, err := c.JS.CreateConsumer(ctx, t.Stream, t.consumer())
	if err != nil {
		c.forget(t.Stream)
		return err
	}
	// Overlapping by one record shows whether the stream is what it was; a
	// stream that drops single records may lack it all the same.
	overlap := t.last.Seq > 0 && t.last.Seq >= info.State.FirstSeq
	whole := info.Config.MaxMsgsPerSubject <= 0 && info.Config.Retention == jetstream.LimitsPolicy
	pending := consumer.CachedInfo().NumPending
	if overlap && whole && pending == 0 {
		return t.tampered(info.Created)
	}
	live := pending == 0 || overlap && pending == 1
	if live {
		t.live()
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pullMessages), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for next := uint64(1); ; next++ {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != next {
			return fmt.Errorf("message %d of the consumer is missing", next)
		}
		r := events.Record{Seq: meta.Sequence.Stream, Subject: events.Subject(m.Subject()), Time: meta.Timestamp.UTC(), Data: m.Data()}
		if overlap && next == 1 && (whole || r.Seq <= t.last.Seq) {
			if r.Seq != t.last.Seq || !r.Time.Equal(t.last.Time) || r.Subject != t.last.Subject {
				return t.tampered(info.Created)
			}
			continue
		}
		if err := t.fn(r); err != nil {
			return &stopError{err}
		}
		t.after, t.last = r.Seq, events.Record{Seq: r.Seq, Time: r.Time, Subject: r.Subject}
		if !live && (next >= pending || meta.NumPending == 0) {
			live = true
			t.live()
		}
	}
}

// tampered begins anew on a stream that has not what was read from it.
func (t *tail) tampered(created time.Time) error {
	t.reset(created)
	return errors.New("the stream lost records that were read")
}

func (t *tail) live() {
	if t.Live != nil {
		t.Live()
	}
}

func (t *tail) consumer() jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		FilterSubject: string(t.Filter), AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: pullIdle, Replicas: 1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
	}
	if len(t.more) > 0 {
		c.FilterSubject, c.FilterSubjects = "", append([]string{string(t.Filter)}, t.more...)
	}
	switch {
	case t.last.Seq > 0:
		c.OptStartSeq = t.last.Seq
	case t.after > 0:
		c.OptStartSeq = t.after + 1
	case t.Latest:
		if c.FilterSubject == "" {
			c.FilterSubject = ">" // the policy needs one
		}
		c.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case !t.since.IsZero():
		c.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		c.OptStartTime = &t.since
	default:
		c.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	return c
}
