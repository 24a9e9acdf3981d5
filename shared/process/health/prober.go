package health

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"core.internal/shared/process/reach"
	"core.internal/shared/spec"
)

// Options configure a [Prober]. Report is required.
type Options struct {
	// Report is told each change of an instance's verdict.
	Report func(t Target, v Verdict)
	// Probe carries out one check; the package's Probe if nil.
	Probe func(ctx context.Context, c Check) error
	// Beats is asked for checks of type bus; without it they fail.
	Beats Beats
	// Probed is told how long each probe over the network, or of a command,
	// took and what came of it; may be nil.
	Probed func(t Target, took time.Duration, err error)
	// Workers is how many probes may be under way at once, but for those that
	// take longer than 100 ms; 16 if 0.
	Workers int
}

// patience is how long a probe counts as work: what takes longer waits for an
// answer, and must not keep others from being asked.
const patience = 100 * time.Millisecond

// Prober probes many instances.
type Prober struct {
	opt   Options
	wake  chan struct{}
	base  time.Time // of together
	files reach.Files

	mu    sync.Mutex
	queue queue           // guarded by mu
	items map[place]*item // guarded by mu
	// running counts the probes under way, late is whether one had to wait for
	// a worker; both guarded by mu.
	running int
	late    bool
}

// item is one check of an instance under watch. All fields are guarded by
// Prober.mu but check and target, which never change.
type item struct {
	target  Target
	check   Check
	began   time.Time
	tracker Tracker
	pause   time.Duration
	due     time.Time
	told    bool // see [Prober.Told]
	place   int  // in the queue; -1 while it is being probed
	removed bool
	cancel  context.CancelFunc // of the probe under way; nil while there is none
}

// New returns a prober; Run makes it probe.
func New(o Options) *Prober {
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.Probe == nil {
		o.Probe = Probe
	}
	return &Prober{opt: o, wake: make(chan struct{}, 1), base: time.Now(), items: map[place]*item{}}
}

// Add begins to watch an instance, in place of another of that id and purpose.
// healthy says that it is known to be healthy already, as an adopted one may be.
func (p *Prober) Add(t Target, c Check, healthy bool) {
	now := time.Now()
	i := &item{target: t, check: c.withDefaults(), began: now, due: now, told: healthy}
	i.tracker = Tracker{known: healthy, healthy: healthy}
	at := place{t.ID, t.Purpose}
	p.mu.Lock()
	p.remove(p.items[at])
	p.items[at] = i
	heap.Push(&p.queue, i)
	p.mu.Unlock()
	p.poke()
}

// Told says that an instance has written what its checks of type log wait for.
func (p *Prober) Told(id, instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, purpose := range purposes {
		i := p.items[place{id, purpose}]
		if i == nil || i.target.Instance != instance || i.told || i.check.Type != spec.HealthLog {
			continue
		}
		i.told, i.pause = true, 0
		if i.place >= 0 {
			i.due = time.Now()
			heap.Fix(&p.queue, i.place)
			p.poke()
		}
	}
}

// Remove ends the watch of an instance.
func (p *Prober) Remove(id, instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, purpose := range purposes {
		if i := p.items[place{id, purpose}]; i != nil && i.target.Instance == instance {
			p.remove(i)
		}
	}
}

func (p *Prober) remove(i *item) {
	if i == nil {
		return
	}
	i.removed = true
	if i.cancel != nil {
		i.cancel() // what it runs is not to outlive the instance
	}
	delete(p.items, place{i.target.ID, i.target.Purpose})
	if i.place >= 0 {
		heap.Remove(&p.queue, i.place)
	}
}

func (p *Prober) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends, then waits for the probes under way.
func (p *Prober) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p.mu.Lock()
		next := time.Hour
		p.late = false
		for len(p.queue) > 0 {
			i := p.queue[0]
			if next = time.Until(i.due); next > 0 {
				break
			}
			if p.running == p.opt.Workers {
				p.late, next = true, time.Hour // a worker wakes us
				break
			}
			heap.Pop(&p.queue)
			p.running++
			probing, cancel := context.WithCancel(ctx)
			i.cancel = cancel
			workers.Go(func() { p.probe(probing, i) })
		}
		p.mu.Unlock()
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// probe makes one probe and puts the item back.
func (p *Prober) probe(ctx context.Context, i *item) {
	err := p.ask(ctx, i)
	p.mu.Lock()
	defer i.cancel()
	var verdict Verdict
	var changed bool
	if !i.removed && ctx.Err() == nil {
		uptime := time.Since(i.began)
		if !errors.Is(err, errUnsure) {
			verdict, changed = i.tracker.Observe(i.check, err, uptime)
		}
		i.pause = i.tracker.pause(i.check, i.pause, uptime)
	}
	p.mu.Unlock()
	if changed {
		// Before the item is due again, so that reports keep their order.
		p.opt.Report(i.target, verdict)
	}
	p.mu.Lock()
	if !i.removed && !i.settled() {
		i.due = time.Now()
		if i.check.Type != spec.HealthLog || !i.told {
			i.due = p.together(i.due, i.pause)
		}
		heap.Push(&p.queue, i)
	}
	wake := p.late || len(p.queue) > 0 && p.queue[0] == i
	p.mu.Unlock()
	if wake {
		p.poke()
	}
}

// together is when a pause that begins now ends: a little sooner where it is long,
// at the same moment as those of others. A supervisor that is woken for each of
// hundreds of checks does more for waking than for checking.
func (p *Prober) together(now time.Time, pause time.Duration) time.Time {
	due := now.Add(pause)
	if pause < time.Second {
		return due
	}
	return p.base.Add(due.Sub(p.base).Truncate(min(pause/20, 250*time.Millisecond)))
}

// ask makes one probe, with the worker that Run counted for it.
func (p *Prober) ask(ctx context.Context, i *item) error {
	switch i.check.Type {
	case spec.HealthBus, spec.HealthLog:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running--
		if i.check.Type == spec.HealthLog {
			return i.written()
		}
		return i.heard(p.opt.Beats, time.Now())
	}
	began := time.Now()
	slow := time.AfterFunc(patience, p.release)
	err := p.reach(ctx, i.check)
	if err == nil {
		err = p.opt.Probe(ctx, i.check)
	}
	if slow.Stop() {
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
	}
	if p.opt.Probed != nil && ctx.Err() == nil {
		p.opt.Probed(i.target, time.Since(began), err)
	}
	return err
}

// reach makes sure that the fork of a command waits for no file system.
func (p *Prober) reach(ctx context.Context, c Check) error {
	if c.Type != spec.HealthExec || len(c.Command) == 0 {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, c.Timeout)
	defer done()
	return p.files.Answer(ctx, c.Dir, c.Command[0])
}

// release gives up the worker of a probe that waits.
func (p *Prober) release() {
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
	p.poke()
}

// queue is a heap of items by when they are due.
type queue []*item

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].place, q[j].place = i, j }
func (q *queue) Push(x any)        { i := x.(*item); i.place = len(*q); *q = append(*q, i) }
func (q *queue) Pop() any {
	old := *q
	i := old[len(old)-1]
	old[len(old)-1] = nil
	i.place = -1
	*q = old[:len(old)-1]
	return i
}
