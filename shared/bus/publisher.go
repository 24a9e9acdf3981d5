package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	"core.internal/shared/events"
)

// PublisherOptions say who states facts, about which node.
type PublisherOptions struct {
	Node   events.Node
	Source events.Source
	Now    func() time.Time // time.Now if nil
	NewID  func() events.ID // random if nil
	Log    *slog.Logger
	// Gather is how long [Publisher.Hold] keeps a fact back at most; 500 ms if 0.
	Gather time.Duration
	// OnConflict is told of another writer of the same source; may be nil.
	OnConflict func(*events.ConflictError)
}

// Publisher is the ordered outbox of one source. Facts may be stated before there
// is a connection and while the bus is away. Each reaches the log once, those of
// one entity in the order in which they were stated; so do those of different
// entities, unless the connection is lost while they are on their way.
type Publisher struct {
	o PublisherOptions

	mu     sync.Mutex
	queue  []fact        // stated and not acknowledged, oldest first; guarded by mu
	held   *time.Timer   // lets the queue go; nil while it goes; guarded by mu
	let    bool          // it was let go and has not been empty since; guarded by mu
	stated uint64        // facts ever queued; guarded by mu
	acked  uint64        // of which so many are acknowledged; guarded by mu
	more   chan struct{} // closed when the queue grows; guarded by mu
	less   chan struct{} // closed when the queue shrinks; guarded by mu

	// What follows is Run's alone.
	last       map[events.Entity]uint64 // sequence of each entity's last fact
	retained   retained
	life       time.Time // creation time of the stream that the others speak of
	whole      bool      // that stream has what is retained
	remembered bool      // what was stated before this process is retained
	all        bool      // last has all that it has of this source: what last does not know is 0
	seen       uint64    // the highest sequence acknowledged there
}

type fact struct {
	envelope events.Envelope
	data     []byte
}

// NewPublisher returns an empty outbox.
func NewPublisher(o PublisherOptions) *Publisher {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = NewID
	}
	if o.Gather <= 0 {
		o.Gather = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Publisher{
		o: o, more: make(chan struct{}), less: make(chan struct{}),
		last: map[events.Entity]uint64{},
	}
}

// NewID returns a new random id.
func NewID() events.ID { return events.ID(nuid.Next()) }

// State queues a fact and returns it. It never blocks. A fact that cannot be
// encoded is logged and left out; its envelope is the zero one.
func (p *Publisher) State(e events.Entity, b events.Body, cause events.ID) events.Envelope {
	return p.StateAs(p.o.NewID(), e, b, cause)
}

// StateAs is State with an id of [NewID] that facts stated before this one name as their
// cause.
func (p *Publisher) StateAs(id events.ID, e events.Entity, b events.Body, cause events.ID) events.Envelope {
	envelope, err := events.New(events.Header{
		ID: id, Time: p.o.Now(), Node: p.o.Node, Source: p.o.Source, Entity: e, Cause: cause,
	}, b)
	var data []byte
	if err == nil {
		data, err = envelope.Encode()
	}
	if err != nil {
		p.o.Log.Error("a fact cannot be stated", "error", err)
		return events.Envelope{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, fact{envelope, data})
	p.stated++
	if n := len(p.queue); n >= 1<<12 && n&(n-1) == 0 {
		p.o.Log.Warn("facts wait for the bus", "count", n)
	}
	if p.held == nil {
		p.grown()
	}
	return envelope
}

// grown says that there is more to send. The caller holds mu.
func (p *Publisher) grown() {
	close(p.more)
	p.more = make(chan struct{})
}

// Hold keeps facts back that are not on their way yet, none for longer than
// [PublisherOptions.Gather]: for who has much to do at once, as a hundred processes to
// start, which those who fold what is told of them would take the processors from.
// [Publisher.Release] and [Publisher.Flush] let them go.
func (p *Publisher) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil && !p.let {
		p.held = time.AfterFunc(p.o.Gather, p.Release)
	}
}

// Release ends what [Publisher.Hold] began.
func (p *Publisher) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.let = len(p.queue) > 0
	if p.held != nil {
		p.held.Stop()
		p.held = nil
		p.grown()
	}
}

// Flush returns when everything stated so far is acknowledged.
func (p *Publisher) Flush(ctx context.Context) error {
	p.Release()
	p.mu.Lock()
	target := p.stated
	p.mu.Unlock()
	for {
		p.mu.Lock()
		left, less := int(target-min(p.acked, target)), p.less
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-less:
		case <-ctx.Done():
			return fmt.Errorf("flush the facts of %s: %d not acknowledged: %w", p.o.Source, left, ctx.Err())
		}
	}
}

// waiting returns the i-th fact of the queue, or a channel that is closed when
// the queue has grown.
func (p *Publisher) waiting(i int) (fact, bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < len(p.queue) && p.held == nil {
		return p.queue[i], true, p.more
	}
	return fact{}, false, p.more
}

// done takes the oldest fact off the queue.
func (p *Publisher) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue[0] = fact{}
	p.queue = p.queue[1:]
	if len(p.queue) == 0 {
		p.queue, p.let = nil, false
	}
	p.acked++
	close(p.less)
	p.less = make(chan struct{})
}

// Run sends what is queued until ctx ends, and what is queued from then on. One
// Run at a time.
func (p *Publisher) Run(ctx context.Context, c *Conn) error {
	c.register(p)
	defer c.unregister(p)
	for attempt := 1; ; attempt++ {
		before := p.seen
		err := c.session(ctx, func(ctx context.Context) error { return p.run(ctx, c) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case c.NC.IsClosed():
			return fmt.Errorf("state the facts of %s: %w", p.o.Source, err)
		case errors.Is(err, errChanged), errors.Is(err, context.Canceled):
			continue
		}
		if p.seen != before {
			attempt = 1
		}
		if attempt&(attempt-1) == 0 {
			p.o.Log.Warn("a fact is not acknowledged, trying again", "attempt", attempt, "error", err)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// run sends until the connection changes. It begins by looking whether the
// stream is still the one that it knows.
func (p *Publisher) run(ctx context.Context, c *Conn) error {
	log := &factLog{c: c}
	if err := p.check(ctx, c, log); err != nil {
		return err
	}
	return p.deliver(ctx, c, log, outbox{at: p.waiting, landed: func(f fact) {
		p.retained.keep(f)
		p.done()
	}})
}

// check repeats what the node's state rests on to a stream that lost it.
func (p *Publisher) check(ctx context.Context, c *Conn, log *factLog) error {
	info, err := c.look(ctx, events.StreamEvents, !p.life.IsZero())
	if err != nil {
		return err
	}
	if !p.life.Equal(info.Created) || info.State.LastSeq < p.seen {
		clear(p.last)
		p.life, p.whole, p.all, p.seen = info.Created, false, false, 0
	}
	if p.whole {
		return nil
	}
	last, err := log.Last(ctx, events.SourceFacts(p.o.Node, p.o.Source))
	if err != nil {
		return err
	}
	p.all = last == 0
	if !p.remembered {
		// Nothing was stated by this process: the stream has what it has.
		err := p.remember(ctx, c, last)
		p.whole = err == nil
		return err
	}
	facts := p.retained.inOrder()
	if len(facts) > 0 {
		p.o.Log.Info("the bus lost its memory: repeating what the state rests on", "facts", len(facts))
	}
	err = p.deliver(ctx, c, log, outbox{
		at: func(i int) (fact, bool, <-chan struct{}) {
			if i < len(facts) {
				return facts[i], true, nil
			}
			return fact{}, false, nil
		},
		landed: func(fact) { facts = facts[1:] },
	})
	p.whole = err == nil
	return err
}

// remember retains what an earlier process stated as this source, once: should the
// bus lose its memory, the state rests on that too.
func (p *Publisher) remember(ctx context.Context, c *Conn, last uint64) error {
	if last > 0 {
		var before retained
		f := Follow{Stream: events.StreamEvents, Filter: events.SourceFacts(p.o.Node, p.o.Source), Latest: true}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		f.Live = func() { cancel(errEnough) }
		f.Reset = func() { cancel(errLost) }
		err := c.Follow(ctx, f, func(r events.Record) error {
			if e, err := events.DecodeRecord(r); err == nil {
				before.keep(fact{e, r.Data})
			}
			if a, err := events.ParseFactSubject(string(r.Subject)); err == nil {
				p.last[a.Entity] = max(p.last[a.Entity], r.Seq)
			}
			if r.Seq >= last {
				return errEnough
			}
			return nil
		})
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if !errors.Is(err, errEnough) {
			return fmt.Errorf("read what %s stated before: %w", p.o.Source, err)
		}
		// Asking for each entity when it has news would take a request each.
		p.retained, p.all = before, true
	}
	p.remembered = true
	return nil
}

// same fails where the stream is another one than the one checked.
func (p *Publisher) same(ctx context.Context, c *Conn) error {
	info, err := c.fresh(ctx, events.StreamEvents)
	if err != nil {
		return err
	}
	if !p.life.Equal(info.Created) {
		return errors.New("the stream was replaced")
	}
	return nil
}

func (c *Conn) register(p *Publisher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishers[p.o.Source] = p
}

func (c *Conn) unregister(p *Publisher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.publishers[p.o.Source] == p {
		delete(c.publishers, p.o.Source)
	}
}

// publisher returns the outbox of a source that runs on this connection.
func (c *Conn) publisher(s events.Source) *Publisher {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.publishers[s]
}
