package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// key is where the bucket holds the count.
const key = "greetings"

// Bounds of the work: how many greetings wait at once, how many are stored
// together, how long one may take in all and at each attempt, and when a count that
// could not be written back is tried again.
const (
	maxWaiting = 1024
	maxBatch   = 256
	patience   = 2 * time.Second
	attempt    = 500 * time.Millisecond
	retryAfter = time.Second
)

// Why a greeting was not counted.
var (
	// ErrUnavailable: the bus did not take it in time; it may have been counted.
	ErrUnavailable = errors.New("the bus does not answer: the greeting may not have been counted, try again later")
	// ErrBusy: too many greetings wait already; it was not counted.
	ErrBusy = errors.New("too many greetings at once: try again in a moment")
	// ErrFull: the names are used up; it was not counted.
	ErrFull = errors.New("too many names")
)

// Limits bound what alpha remembers.
type Limits struct {
	Names int // different names; 1000 if 0
}

// Bucket is what alpha needs of its bucket.
type Bucket interface {
	Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error)
	Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// Counter counts greetings.
type Counter struct {
	limits Limits
	asks   chan *ask

	mu    sync.Mutex
	count Count // guarded by mu; as last known to be stored. Its map is never written to.

	// Only Load and Run use these, one at a time; they alone write count.
	revision uint64 // of count in the bucket; 0 where the bucket has none
	known    bool   // nothing happened since that could have changed revision
	joining  string // commit of the last join, whose outcome may not be known
	bucket   Bucket
	state    func(Greeted)
}

// ask is a greeting on its way.
type ask struct {
	name   string
	until  time.Time
	answer chan answer // buffered
}

type answer struct {
	Greeted
	err error
}

// NewCounter returns a counter that has counted nothing yet.
func NewCounter(l Limits) *Counter {
	if l.Names <= 0 {
		l.Names = 1000
	}
	return &Counter{limits: l, asks: make(chan *ask, maxWaiting)}
}

// Count is the count as it stands.
func (c *Counter) Count() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Greet counts one greeting and returns once it is stored. Its errors are
// ErrUnavailable, ErrBusy, ErrFull and that of ctx.
func (c *Counter) Greet(ctx context.Context, name string) (Greeted, error) {
	a := &ask{name: name, until: time.Now().Add(patience), answer: make(chan answer, 1)}
	select {
	case c.asks <- a:
	default:
		return Greeted{}, ErrBusy
	}
	late := time.NewTimer(patience + time.Second) // Run answers in time if it runs
	defer late.Stop()
	select {
	case got := <-a.answer:
		return got.Greeted, got.err
	case <-late.C:
		return Greeted{}, ErrUnavailable
	case <-ctx.Done():
		return Greeted{}, ctx.Err()
	}
}

// Load reads what the bucket has, and makes both it and the counter have all of
// both. Every count is stated: what an earlier process could not state before it
// ended is made up for. Load has to succeed once before Run.
func (c *Counter) Load(ctx context.Context, b Bucket, state func(Greeted)) error {
	c.bucket, c.state = b, state
	return c.reconcile(ctx)
}

// Run stores greetings until ctx ends. back tells that the bus was away and has
// come back, perhaps without its memory.
func (c *Counter) Run(ctx context.Context, back <-chan nats.Status) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			c.refuse()
			return ctx.Err()
		case <-back:
			c.known = false
			retry.Reset(0)
		case <-retry.C:
			if !c.known && c.reconcile(ctx) != nil {
				retry.Reset(retryAfter)
			}
		case first := <-c.asks:
			c.store(ctx, c.batch(first))
		}
	}
}

// refuse answers those who still wait when nobody stores any more.
func (c *Counter) refuse() {
	for {
		select {
		case a := <-c.asks:
			a.answer <- answer{err: ErrUnavailable}
		default:
			return
		}
	}
}

// batch takes along what waits already.
func (c *Counter) batch(first *ask) []*ask {
	all := []*ask{first}
	for len(all) < maxBatch {
		select {
		case a := <-c.asks:
			all = append(all, a)
		default:
			return all
		}
	}
	return all
}

// store counts a batch: one compare-and-set for all of it, tried again until it
// succeeds or the first of them has waited long enough.
func (c *Counter) store(ctx context.Context, batch []*ask) {
	var next Count
	var answers []answer
	err := again(ctx, batch[0].until, func() error {
		if !c.known {
			if err := c.reconcile(ctx); err != nil {
				return err
			}
			if next.Commit != "" && c.count.Commit == next.Commit {
				return nil // the attempt before was stored, only its answer was lost
			}
		}
		next, answers = c.apply(batch)
		if next.Total == c.count.Total {
			return nil
		}
		if err := c.write(ctx, next); err != nil {
			return err
		}
		c.set(next)
		for _, a := range answers {
			if a.err == nil {
				c.state(a.Greeted)
			}
		}
		return nil
	})
	for i, a := range batch {
		if err != nil {
			a.answer <- answer{err: ErrUnavailable}
			continue
		}
		a.answer <- answers[i]
	}
}

// apply is the count after a batch, and what each of the batch is told. A name
// too many is not counted.
func (c *Counter) apply(batch []*ask) (Count, []answer) {
	next := c.count.clone()
	if next.Series.IsZero() {
		next.Series = time.Now().UTC()
	}
	next.Commit = nuid.Next()
	answers := make([]answer, len(batch))
	for i, a := range batch {
		if _, known := next.Names[a.name]; !known && len(next.Names) >= c.limits.Names {
			answers[i].err = fmt.Errorf("%w: alpha remembers %d and %q would be one more", ErrFull, c.limits.Names, a.name)
			continue
		}
		next.Names[a.name]++
		next.Total++
		answers[i].Greeted = Greeted{next.Series, a.name, next.Names[a.name], next.Total}
	}
	return next, answers
}

// write replaces the count in the bucket if it is still the one read last.
// After an error it is not known what the bucket holds.
func (c *Counter) write(ctx context.Context, next Count) error {
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the count: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	c.known = false
	var revision uint64
	if c.revision == 0 {
		revision, err = c.bucket.Create(ctx, key, data)
	} else {
		revision, err = c.bucket.Update(ctx, key, data, c.revision)
	}
	if err != nil {
		return fmt.Errorf("store the count at revision %d: %w", c.revision, err)
	}
	c.revision, c.known = revision, true
	return nil
}

// reconcile learns what the bucket holds, makes it hold no less than the counter
// does, and states each count that somebody may not have heard of.
func (c *Counter) reconcile(ctx context.Context) error {
	read, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var stored Count
	entry, err := c.bucket.Get(read, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		c.revision = 0
	case err != nil:
		return fmt.Errorf("read the count: %w", err)
	default:
		if err := json.Unmarshal(entry.Value(), &stored); err != nil {
			return fmt.Errorf("read the count: %w: what the bucket has under %q is not alpha's: remove it", err, key)
		}
		c.revision = entry.Revision()
	}
	c.known = true
	heard := c.count
	all := stored
	if stored.Commit == "" || stored.Commit != c.joining {
		all = join(c.count, stored)
	}
	if all.Total != stored.Total {
		all.Commit = nuid.Next()
		c.joining = all.Commit
		if err := c.write(ctx, all); err != nil {
			return err
		}
		heard = Count{} // a bus that lost the count lost the facts too
	}
	c.set(all)
	for _, g := range all.changed(heard) {
		c.state(Greeted{all.Series, g.Name, g.Count, all.Total})
	}
	return nil
}

func (c *Counter) set(next Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = next
}

// again repeats fn with growing pauses until it succeeds, the time is over or
// ctx ends.
func again(ctx context.Context, until time.Time, fn func() error) error {
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := fn()
		if err == nil || time.Now().Add(pause).After(until) {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
