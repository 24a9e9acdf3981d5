package health

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Options configure a [Prober]. Report is required.
type Options struct {
	// Report is told each change of an instance's verdict.
	Report func(id, instance string, v Verdict)
	// Probe carries out one check; the package's Probe if nil.
	Probe func(ctx context.Context, c Check) error
	// Workers is how many probes may be under way at once; 16 if 0.
	Workers int
}

// Prober probes many instances.
type Prober struct {
	opt  Options
	wake chan struct{}

	mu    sync.Mutex
	queue queue            // guarded by mu
	byID  map[string]*item // guarded by mu
	// running counts the probes under way, late is whether one had to wait for
	// a worker; both guarded by mu.
	running int
	late    bool
}

// item is one instance under watch. All fields are guarded by Prober.mu but
// check and the identity, which never change.
type item struct {
	id, instance string
	check        Check
	began        time.Time
	tracker      Tracker
	pause        time.Duration
	due          time.Time
	place        int // in the queue; -1 while it is being probed
	removed      bool
}

// New returns a prober; Run makes it probe.
func New(o Options) *Prober {
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.Probe == nil {
		o.Probe = Probe
	}
	return &Prober{opt: o, wake: make(chan struct{}, 1), byID: map[string]*item{}}
}

// Add begins to watch an instance, in place of another of that id. healthy says
// that it is known to be healthy already, as an adopted one may be.
func (p *Prober) Add(id, instance string, c Check, healthy bool) {
	now := time.Now()
	i := &item{id: id, instance: instance, check: c.withDefaults(), began: now, due: now}
	i.tracker = Tracker{known: healthy, healthy: healthy}
	p.mu.Lock()
	p.remove(p.byID[id])
	p.byID[id] = i
	heap.Push(&p.queue, i)
	p.mu.Unlock()
	p.poke()
}

// Remove ends the watch of an instance.
func (p *Prober) Remove(id, instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.byID[id]; i != nil && i.instance == instance {
		p.remove(i)
	}
}

func (p *Prober) remove(i *item) {
	if i == nil {
		return
	}
	i.removed = true
	delete(p.byID, i.id)
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
			workers.Go(func() { p.probe(ctx, i) })
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
	err := p.opt.Probe(ctx, i.check)
	p.mu.Lock()
	p.running--
	var verdict Verdict
	var changed bool
	if !i.removed && ctx.Err() == nil {
		uptime := time.Since(i.began)
		verdict, changed = i.tracker.Observe(i.check, err, uptime)
		i.pause = i.tracker.pause(i.check, i.pause, uptime)
	}
	p.mu.Unlock()
	if changed {
		// Before the item is due again, so that reports keep their order.
		p.opt.Report(i.id, i.instance, verdict)
	}
	p.mu.Lock()
	if !i.removed {
		i.due = time.Now().Add(i.pause)
		heap.Push(&p.queue, i)
	}
	wake := p.late || len(p.queue) > 0 && p.queue[0] == i
	p.mu.Unlock()
	if wake {
		p.poke()
	}
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
