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
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/service"
)

// Names on the bus.
const (
	// Source is beta's name.
	Source events.Source = "beta"
	// Alpha states the facts that beta reads.
	Alpha events.Source = "alpha"
	// FactGreeted is the type of [Greeted].
	FactGreeted events.Type = "alpha.greeted"

	consumer = "beta-tally" // beta's place among the facts
	key      = "tally"      // where the bucket holds the counts
)

// Metrics are what beta counts.
type Metrics struct {
	facts   prometheus.Counter
	skipped prometheus.Counter
}

// NewMetrics registers beta's metrics.
func NewMetrics(r *prometheus.Registry, t *Tally) (*Metrics, error) {
	m := &Metrics{
		facts:   prometheus.NewCounter(prometheus.CounterOpts{Name: "beta_facts_total", Help: "Facts read."}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "beta_facts_skipped_total", Help: "Facts that were not understood."}),
	}
	total := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "beta_tally", Help: "Greetings tallied."}, func() float64 {
		return float64(t.Counts().Total())
	})
	for _, c := range []prometheus.Collector{m.facts, m.skipped, total} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register beta's metrics: %w", err)
		}
	}
	return m, nil
}

// Bucket is what beta needs of its bucket.
type Bucket interface {
	Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error)
	Put(ctx context.Context, key string, value []byte) (uint64, error)
}

// Work is what beta does while it is connected: it loads the tally, says that it
// is ready and follows alpha until ctx ends. tallied is told what a fact changed.
func Work(t *Tally, m *Metrics, tallied func(Greeted)) func(context.Context, *service.Service) error {
	return func(ctx context.Context, s *service.Service) error {
		bucket, err := s.Bus.Bucket(ctx, events.ServiceBucket(events.Entity(s.ID)))
		if err != nil {
			return err
		}
		back := s.Bus.NC.StatusChanged(nats.CONNECTED)
		defer s.Bus.NC.RemoveStatusListener(back)
		w := &worker{tally: t, bucket: bucket, metrics: m, service: s, tallied: tallied}
		if err := w.reconcile(ctx); err != nil {
			return err
		}
		if err := s.Ready(ctx); err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return w.keep(ctx, back) })
		g.Go(func() error {
			return s.Bus.Consume(ctx, bus.Durable{
				Name:   consumer,
				Filter: events.FactSubject(s.Node, Alpha, events.Any, FactGreeted.Fact()),
			}, w.fact)
		})
		return g.Wait()
	}
}

// worker changes a tally and keeps its bucket in step.
type worker struct {
	tally   *Tally
	bucket  Bucket
	metrics *Metrics
	service *service.Service
	tallied func(Greeted)

	storing sync.Mutex // one writer of tally and bucket at a time
}

// fact takes in one of alpha's facts. It fails where the bucket did not take what
// changed, and gets the fact again then.
func (w *worker) fact(ctx context.Context, r events.Record) error {
	w.metrics.facts.Inc()
	g, err := decode(r)
	if err != nil {
		w.metrics.skipped.Inc()
		w.service.Log.Warn("a fact is left out", "seq", r.Seq, "error", err)
		return nil
	}
	w.storing.Lock()
	defer w.storing.Unlock()
	next, news := w.tally.Counts().with(g)
	if !news {
		return nil
	}
	if err := w.store(ctx, next); err != nil {
		return err
	}
	if w.tallied != nil {
		w.tallied(g)
	}
	return nil
}

// decode reads a fact of alpha's. Fields that a later alpha may add are ignored.
func decode(r events.Record) (Greeted, error) {
	var g Greeted
	e, err := events.DecodeRecord(r)
	if err != nil {
		return g, err
	}
	if e.Type != FactGreeted || e.Version != 1 {
		return g, fmt.Errorf("%s version %d: beta reads %s version 1", e.Type, e.Version, FactGreeted)
	}
	if err := json.Unmarshal(e.Data, &g); err != nil {
		return g, fmt.Errorf("body of %s: %w", e.Type, err)
	}
	if g.Name == "" || g.Count < 1 || g.Series.IsZero() {
		return g, fmt.Errorf("body of %s: want a series, a name and a count of at least 1", e.Type)
	}
	return g, nil
}

// store puts counts into the bucket and then shows them.
func (w *worker) store(ctx context.Context, c Counts) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the tally: %w", err)
	}
	if _, err := w.bucket.Put(ctx, key, data); err != nil {
		return fmt.Errorf("store the tally: %w", err)
	}
	w.tally.set(c)
	return nil
}

// retryAfter is when a tally that could not be written back is tried again.
const retryAfter = time.Second

// keep writes the tally back to a bus that came back without it.
func (w *worker) keep(ctx context.Context, back <-chan nats.Status) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	<-retry.C
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-back:
		case <-retry.C:
		}
		if err := w.reconcile(ctx); err != nil && ctx.Err() == nil {
			retry.Reset(retryAfter)
		}
	}
}

// reconcile makes the tally and the bucket have all of both.
func (w *worker) reconcile(ctx context.Context) error {
	w.storing.Lock()
	defer w.storing.Unlock()
	var stored Counts
	entry, err := w.bucket.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
	case err != nil:
		return fmt.Errorf("read the tally: %w", err)
	default:
		if err := json.Unmarshal(entry.Value(), &stored); err != nil {
			return fmt.Errorf("read the tally: %w: what the bucket has under %q is not beta's: remove it", err, key)
		}
	}
	ours := w.tally.Counts()
	if all, news := stored.join(ours); news {
		return w.store(ctx, all)
	}
	w.tally.set(stored)
	return nil
}
