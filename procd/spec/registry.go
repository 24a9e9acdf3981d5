package spec

import (
	"bytes"
	"context"
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
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// Registry keeps core_specs and core_desired of one node. Make one with
// [NewRegistry].
type Registry struct {
	conn   *bus.Conn
	node   events.Node
	layout config.Layout
	boot   string // of the machine
	log    *slog.Logger
	wake   chan struct{}

	deciding sync.Mutex // held from the reading of decided to the writing of its file

	mu      sync.Mutex
	values  map[entry][]byte                  // what the buckets should have; nil for a key that goes; guarded by mu
	dirty   map[entry]bool                    // of which this is yet to be written; guarded by mu
	stored  map[entry]time.Time               // since when the buckets have what was read; nil afterwards; guarded by mu
	decided map[events.Entity]config.Decision // as its file has it; replaced, not changed; guarded by mu
	serial  uint64                            // of the latest decision; guarded by mu
	damaged error                             // why the file cannot be used; guarded by mu
}

type entry struct{ bucket, key string }

// NewRegistry returns a registry that knows nothing yet, of the node with the
// directory of l.
func NewRegistry(c *bus.Conn, node events.Node, l config.Layout, log *slog.Logger) *Registry {
	return &Registry{
		conn: c, node: node, layout: l, boot: machineBoot(), log: log, wake: make(chan struct{}, 1),
		values: map[entry][]byte{}, dirty: map[entry]bool{}, stored: map[entry]time.Time{},
		decided: map[events.Entity]config.Decision{},
	}
}

// Read learns what the buckets have, trying until it has or ctx ends, and what was
// decided.
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
	return r.recall()
}

func (r *Registry) read(ctx context.Context, bucket string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv, err := r.conn.Bucket(ctx, bucket)
	if err != nil {
		return err
	}
	watch, err := kv.Watch(ctx, events.DesiredKey(r.node, "*"), jetstream.IgnoreDeletes())
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
			r.mu.Lock()
			r.values[entry{bucket, v.Key()}], r.stored[entry{bucket, v.Key()}] = v.Value(), v.Created()
			r.mu.Unlock()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
