package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// Registry keeps core_specs and core_desired of one node. Make one with
// [NewRegistry].
type Registry struct {
	conn *bus.Conn
	node events.Node
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	values  map[entry][]byte                 // what the buckets should have; nil for a key that goes; guarded by mu
	dirty   map[entry]bool                   // of which this is yet to be written; guarded by mu
	desired map[events.Entity]events.Desired // guarded by mu
}

type entry struct{ bucket, key string }

// NewRegistry returns a registry that knows nothing yet.
func NewRegistry(c *bus.Conn, node events.Node, log *slog.Logger) *Registry {
	return &Registry{
		conn: c, node: node, log: log, wake: make(chan struct{}, 1),
		values: map[entry][]byte{}, dirty: map[entry]bool{}, desired: map[events.Entity]events.Desired{},
	}
}

// Read learns what the buckets have, trying until it has or ctx ends.
func (r *Registry) Read(ctx context.Context) error {
	for _, bucket := range []string{events.BucketDesired, events.BucketSpecs} {
		for {
			err := r.read(ctx, bucket)
			if err == nil {
				break
			}
			err = fmt.Errorf("read bucket %s: %w", bucket, err)
			r.log.Info("waiting for the bus", "cause", err)
			select {
			case <-time.After(firstPause):
			case <-ctx.Done():
				return err
			}
		}
	}
	return nil
}

func (r *Registry) read(ctx context.Context, bucket string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv, err := r.conn.Bucket(ctx, bucket)
	if err != nil {
		return err
	}
	prefix := events.DesiredKey(r.node, "")
	watch, err := kv.Watch(ctx, prefix+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return err
	}
	defer watch.Stop()
	for {
		select {
		case v := <-watch.Updates():
			if v == nil {
				return nil
			}
			r.learn(entry{bucket, v.Key()}, events.Entity(strings.TrimPrefix(v.Key(), prefix)), v.Value())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Registry) learn(e entry, id events.Entity, value []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.bucket == events.BucketDesired {
		var d events.Desired
		if err := json.Unmarshal(value, &d); err != nil {
			r.log.Warn("what was wanted of a service is not understood: its profiles decide", "service", id, "error", err)
			return
		}
		r.desired[id] = d
	}
	r.values[e] = value
}

// Desired tells what operators decided about a service; false if nothing.
func (r *Registry) Desired(id events.Entity) (events.Desired, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.desired[id]
	return d, ok
}

// Decide records what operators want of a service.
func (r *Registry) Decide(id events.Entity, d events.Desired) error {
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("record what is wanted of %s: %w", id, err)
	}
	r.mu.Lock()
	r.desired[id] = d
	r.mu.Unlock()
	r.put(entry{events.BucketDesired, events.DesiredKey(r.node, id)}, value)
	return nil
}

// Specs returns what was last registered, as the bucket had it, sorted by id.
func (r *Registry) Specs() []spec.Located {
	r.mu.Lock()
	defer r.mu.Unlock()
	var specs []spec.Located
	for e, value := range r.values {
		if e.bucket != events.BucketSpecs || value == nil {
			continue
		}
		s, err := spec.DecodeRegistered(value)
		if err != nil {
			r.log.Warn("a registered spec is not understood", "key", e.key, "error", err)
			continue
		}
		specs = append(specs, s)
	}
	slices.SortFunc(specs, func(a, b spec.Located) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return specs
}

// Publish makes core_specs have exactly these specs of the node.
func (r *Registry) Publish(specs []spec.Located) error {
	keep := map[entry]bool{}
	for _, s := range specs {
		value, err := spec.EncodeRegistered(s)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		e := entry{events.BucketSpecs, events.DesiredKey(r.node, events.Entity(s.ID))}
		keep[e] = true
		r.put(e, value)
	}
	r.mu.Lock()
	var gone []entry
	for e := range r.values {
		if e.bucket == events.BucketSpecs && !keep[e] {
			gone = append(gone, e)
		}
	}
	r.mu.Unlock()
	for _, e := range gone {
		r.put(e, nil)
	}
	return nil
}

func (r *Registry) put(e entry, value []byte) {
	r.mu.Lock()
	if old, ok := r.values[e]; !ok || !bytes.Equal(old, value) {
		r.values[e], r.dirty[e] = value, true
	}
	r.mu.Unlock()
	r.poke()
}

// Lost says that the bus lost its memory: everything is written again.
func (r *Registry) Lost() {
	r.mu.Lock()
	for e := range r.values {
		r.dirty[e] = true
	}
	r.mu.Unlock()
	r.poke()
}

func (r *Registry) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Bounds of reading and writing.
const (
	requestTimeout = 2 * time.Second
	firstPause     = 20 * time.Millisecond
	longestPause   = 2 * time.Second
)

// Run writes what is to be written, trying until it is, until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	pause := firstPause
	for {
		again := (<-chan time.Time)(nil)
		if err := r.flush(ctx); err != nil && ctx.Err() == nil {
			r.log.Debug("the registry is not written yet", "error", err)
			again = time.After(pause)
			pause = min(2*pause, longestPause)
		} else {
			pause = firstPause
		}
		select {
		case <-r.wake:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush writes everything that is dirty; what could not be written is dirty again.
func (r *Registry) flush(ctx context.Context) error {
	for {
		r.mu.Lock()
		byBucket := map[string]map[string][]byte{}
		for e := range r.dirty {
			if byBucket[e.bucket] == nil {
				byBucket[e.bucket] = map[string][]byte{}
			}
			byBucket[e.bucket][e.key] = r.values[e]
		}
		clear(r.dirty)
		r.mu.Unlock()
		if len(byBucket) == 0 {
			return nil
		}
		var errs []error
		for bucket, values := range byBucket {
			errs = append(errs, r.writeAll(ctx, bucket, values))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
}

// writers is how many keys of a bucket are written at once.
const writers = 16

func (r *Registry) writeAll(ctx context.Context, bucket string, values map[string][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv, err := r.conn.JS.KeyValue(ctx, bucket)
	if err != nil {
		err = fmt.Errorf("open bucket %s: %w", bucket, err)
	}
	var g errgroup.Group
	g.SetLimit(writers)
	for key, value := range values {
		g.Go(func() error {
			werr := err
			if werr == nil {
				werr = write(ctx, kv, key, value)
			}
			if werr != nil {
				r.mu.Lock()
				r.dirty[entry{bucket, key}] = true
				r.mu.Unlock()
			}
			return werr
		})
	}
	return g.Wait()
}

func write(ctx context.Context, kv jetstream.KeyValue, key string, value []byte) error {
	var err error
	if value == nil {
		if err = kv.Delete(ctx, key); errors.Is(err, jetstream.ErrKeyNotFound) {
			err = nil
		}
	} else {
		_, err = kv.Put(ctx, key, value)
	}
	if err != nil {
		return fmt.Errorf("write %s of bucket %s: %w", key, kv.Bucket(), err)
	}
	return nil
}
