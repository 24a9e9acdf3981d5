package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"core.internal/shared/events"
)

// Store says where the platform's streams and buckets are kept.
type Store struct {
	// File keeps them on disk; log lines and presence stay in memory all the
	// same: the record of the former are the log files.
	File     bool
	Replicas int // 1 if 0
}

// Bounds of what the bus keeps, in bytes unless said otherwise. The bytes of a
// stream are reserved: their sum has to fit into the server's limits.
const (
	maxEvents    = 64 << 20
	maxFileBytes = 512 << 20
	maxCommands  = 8 << 20
	maxLogs      = 48 << 20
	maxLines     = 2000 // per entity and stream
	maxRuns      = 32 << 20
	maxBucket    = 16 << 20
	maxArtifacts = 64 << 20
	// PresenceTTL is how long a heartbeat lasts.
	PresenceTTL = 3 * events.HeartbeatPause
	// UsageTTL is how long a sample of what processes use lasts: three times the
	// pause between two.
	UsageTTL = 15 * time.Second
)

// Reserved is how many bytes the platform's streams reserve of memory and of
// disk.
func (s Store) Reserved() (memory, disk int64) {
	for _, c := range s.streams() {
		if c.Storage == jetstream.MemoryStorage {
			memory += c.MaxBytes
		} else {
			disk += c.MaxBytes
		}
	}
	return memory, disk
}

// EnsurePlatform creates the platform's streams and buckets, or brings those
// that exist to what they should be. It needs the rights of busd.
func EnsurePlatform(ctx context.Context, js jetstream.JetStream, s Store) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, config := range s.streams() {
		g.Go(func() error { return ensure(ctx, js, config) })
	}
	return g.Wait()
}

// EnsureServiceBucket creates the bucket that belongs to one service alone. It
// needs the rights of busd.
func EnsureServiceBucket(ctx context.Context, js jetstream.JetStream, s Store, service events.Entity) error {
	return ensure(ctx, js, s.bucket(events.ServiceBucket(service)))
}

// ensure needs one request for a stream that is missing or as it should be.
func ensure(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) error {
	_, err := js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		_, err = js.UpdateStream(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("ensure stream %s: %w", config.Name, err)
	}
	return nil
}

func (s Store) streams() []jetstream.StreamConfig {
	facts := s.stream(events.StreamEvents, events.AllFacts, maxEvents)
	facts.MaxAge = 90 * 24 * time.Hour

	commands := s.stream(events.StreamCommands, events.AllCommands, maxCommands)
	commands.Retention = jetstream.WorkQueuePolicy
	commands.MaxAge = 7 * 24 * time.Hour

	logs := s.stream(events.StreamLogs, events.AllLogs, maxLogs)
	logs.Storage = jetstream.MemoryStorage
	logs.MaxBytes = maxLogs
	logs.MaxMsgsPerSubject = maxLines
	logs.MaxAge = 24 * time.Hour
	logs.NoAck = true

	runs := s.stream(events.StreamRuns, events.AllRuns, maxRuns)
	runs.MaxAge = 90 * 24 * time.Hour

	presence := s.bucket(events.BucketPresence)
	presence.Storage = jetstream.MemoryStorage
	presence.MaxBytes = 1 << 20
	presence.AllowMsgTTL = true
	presence.SubjectDeleteMarkerTTL = PresenceTTL

	leases := s.bucket(events.BucketLeases)
	leases.AllowMsgTTL = true
	leases.SubjectDeleteMarkerTTL = PresenceTTL

	objects := s.stream(events.ObjectsArtifacts, "", maxArtifacts)
	objects.Name = events.ObjectStream(events.ObjectsArtifacts)
	objects.Subjects = events.ObjectSubjects(events.ObjectsArtifacts)
	objects.Discard = jetstream.DiscardNew
	objects.AllowRollup = true
	objects.Duplicates = 0

	return []jetstream.StreamConfig{
		facts, commands, logs, runs, presence, leases, objects,
		s.bucket(events.BucketDesired), s.bucket(events.BucketSpecs), s.bucket(events.BucketSnapshots),
		s.bucket(events.BucketCerts), s.bucket(events.BucketRoutes),
	}
}

func (s Store) stream(name string, subjects events.Subject, memory int64) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: name, Subjects: []string{string(subjects)}, Storage: jetstream.MemoryStorage,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxConsumers: -1, MaxMsgs: -1, MaxBytes: memory, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
		Replicas: max(s.Replicas, 1), Duplicates: 2 * time.Minute,
	}
	if s.File {
		c.Storage = jetstream.FileStorage
		c.MaxBytes = maxFileBytes
	}
	return c
}

// bucket is a key-value bucket without direct reads: a follower never answers
// with something stale.
func (s Store) bucket(name string) jetstream.StreamConfig {
	c := s.stream(events.KVStream(name), events.BucketSubject(name), maxBucket)
	c.MaxMsgsPerSubject = 1
	c.Discard = jetstream.DiscardNew
	c.AllowRollup = true
	c.DenyDelete = true
	return c
}

// Bucket binds a bucket. It waits for one that is not there yet: the bucket of
// a new service appears shortly after its key.
func (c *Conn) Bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	for attempt := 1; ; attempt++ {
		kv, err := c.JS.KeyValue(ctx, name)
		if err == nil {
			return kv, nil
		}
		if !errors.Is(err, jetstream.ErrBucketNotFound) || attempt > bucketAttempts {
			return nil, fmt.Errorf("open bucket %s: %w", name, err)
		}
		if serr := sleep(ctx, backoff(attempt)); serr != nil {
			return nil, fmt.Errorf("open bucket %s: %w (%w)", name, err, serr)
		}
	}
}

const bucketAttempts = 20 // about three seconds
