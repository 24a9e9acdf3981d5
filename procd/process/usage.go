package process

import (
	"context"
	"sync"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process/runner"
)

// samplePause is the time between two samples.
const samplePause = 5 * time.Second

// firstSample is when the first one is taken: services that start need the
// processor more.
const firstSample = time.Second

// Usage samples what the processes of services use: every few seconds, however
// many ask.
type Usage struct {
	read  func() []runner.Usage
	check func(id string) time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last events.Usage // guarded by mu; its maps are never written to again
}

// NewUsage returns samples of what read tells, which Run's goroutine calls, and of
// how long check says that the last health check of a service took.
func NewUsage(read func() []runner.Usage, check func(id string) time.Duration, now func() time.Time) *Usage {
	return &Usage{read: read, check: check, now: now}
}

// Last returns the last sample; an empty one before the first.
func (u *Usage) Last() events.Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// sample takes one. Only Run does, so that nobody else writes last.
func (u *Usage) sample() events.Usage {
	before := u.Last()
	now := u.now()
	since := now.Sub(before.Time)
	next := events.Usage{Time: now.UTC(), Services: map[events.Entity]events.ServiceUsage{}}
	for _, one := range u.read() {
		id := events.Entity(one.ID)
		s := events.ServiceUsage{
			Instance: one.Instance, Processes: one.Processes, CPUSeconds: one.CPU.Seconds(),
			ResidentBytes: one.Resident, OpenFDs: one.OpenFDs,
			HealthMS: float64(u.check(one.ID).Microseconds()) / 1000,
		}
		if old, ok := before.Of(id, one.Instance); ok && since > 0 {
			s.CPUPercent = 100 * max(0, s.CPUSeconds-old.CPUSeconds) / since.Seconds()
		}
		next.Services[id] = s
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = next
	return next
}

// Run takes samples and hands each to publish, until ctx ends.
func (u *Usage) Run(ctx context.Context, publish func(events.Usage)) error {
	tick := time.NewTicker(firstSample)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			publish(u.sample())
			tick.Reset(samplePause)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
