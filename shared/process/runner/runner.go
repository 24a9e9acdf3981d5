//go:build linux

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/reach"
)

// Options configure a [Runner]. Dir is required.
type Options struct {
	// Dir has records and FIFOs; it belongs to one runner at a time. It is
	// made when first needed.
	Dir string
	// Now dates lines and exits; time.Now if nil.
	Now func() time.Time
	// Sink gets the lines that travel, one call at a time; nil for none. While
	// it blocks, lines are dropped and counted.
	Sink func(id, stream string, l events.LogLine)
	Log  *slog.Logger // discarded if nil
	// LogSize is where log files are rotated; 16 MiB if 0, never if negative.
	LogSize int64
	// LineRate is how many lines per second and stream reach the Sink; 1000 if 0.
	LineRate int
	// Wrapper is a command of this program that calls [Wrap], as arguments after
	// its name. Without it, commands whose attributes need it are refused.
	Wrapper []string
	// Groups is where the control groups of processes are made; a place is
	// looked for when the first is needed if empty.
	Groups string
	// Alone says that no [Reaper] of another process collects what was started here:
	// a zombie that is somebody else's child has ended, and its exit is not waited for.
	Alone bool
	// Nursery is where processes are forked from that need no control group and no
	// wrapper; from any thread if nil, which takes longer the more of them there are.
	Nursery *Nursery
}

// Streams of a process, as the Sink is told.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Runner implements [process.Runner] and [process.Finder].
type Runner struct {
	o     Options
	lines chan line     // to tell
	quit  chan struct{} // closed when Run's context has ended
	host  func() (host, error)
	forks chan struct{} // taken by a fork: each blocks a thread
	// movers is taken by a stream that moves bytes: each has a buffer.
	movers chan struct{}
	scans  scanner
	files  reach.Files
	groups func() (*groups, error)
	made   atomic.Pointer[groups] // what groups found
	lost   atomic.Int64

	starts sync.WaitGroup // Start and Adopt calls that go on
	wg     sync.WaitGroup // goroutines of processes

	opening sync.Mutex
	poll    *poller // set once, with opening, before a process is

	mu     sync.Mutex
	closed bool                // guarded by mu: nothing begins any more
	procs  map[string]*proc    // guarded by mu: starting or running, by id; nil value while starting
	ended  map[string]*proc    // guarded by mu: what Adopt found to have ended
	logs   map[string]*logfile // guarded by mu: open log files by path
}

var _ process.Finder = (*Runner)(nil)

// line is a line on its way to the Sink.
type line struct {
	id, stream string
	l          events.LogLine
}

// room reports whether another line can be on its way to the Sink.
func (r *Runner) room() bool { return len(r.lines) < cap(r.lines) }

// New returns a runner; it touches nothing.
func New(o Options) *Runner {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.LogSize = cmp.Or(o.LogSize, 16<<20)
	o.LineRate = cmp.Or(o.LineRate, 1000)
	heed()
	r := &Runner{
		o:     o,
		lines: make(chan line, 1024),
		quit:  make(chan struct{}),
		host:  sync.OnceValues(readHost),
		forks: make(chan struct{}, runtime.GOMAXPROCS(0)), movers: make(chan struct{}, 4*runtime.GOMAXPROCS(0)),
		procs: map[string]*proc{},
		ended: map[string]*proc{},
		logs:  map[string]*logfile{},
	}
	r.scans.leaders = r.leaders
	r.groups = sync.OnceValues(func() (*groups, error) {
		g, err := findGroups(o.Groups, groupsName(o.Dir))
		r.made.Store(g)
		return g, err
	})
	return r
}

// leaders are the processes of the instances that run, by pid: each leads its session.
func (r *Runner) leaders() map[int]*proc {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[int]*proc, len(r.procs))
	for _, p := range r.procs {
		if p != nil {
			all[p.identity.PID] = p
		}
	}
	return all
}

// errClosed is what Start and Adopt return after Run.
var errClosed = errors.New("the runner has ended")

// Run watches the processes, hands their lines to the Sink and removes rotated log
// files that are too old. What was started before it is watched from now on. When
// ctx ends it lets go of the processes, joins what it began and returns nil, once the
// Sink has taken the lines that are on their way.
func (r *Runner) Run(ctx context.Context) error {
	poll, err := r.poller()
	if err != nil {
		return err
	}
	polled := make(chan error, 1)
	go func() { polled <- poll.run(func(f func()) { r.spawn(f) }) }()
	var telling sync.WaitGroup
	silent := make(chan struct{})
	telling.Go(func() { r.tell(silent) }) // apart: a Sink may block for long
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	failed := false
	for done := false; !done && !failed; {
		select {
		case <-hourly.C:
			r.prune()
		case err = <-polled:
			failed = true
		case <-ctx.Done():
			done = true
		}
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.starts.Wait()
	close(r.quit)
	poll.stop()
	if !failed {
		err = <-polled
	}
	r.wg.Wait()
	r.mu.Lock()
	left := slices.Collect(maps.Values(r.procs))
	r.mu.Unlock()
	for _, p := range left {
		p.close()
	}
	poll.close()
	if g := r.made.Load(); g != nil {
		g.leave()
	}
	close(silent)
	telling.Wait()
	return err
}

// tell hands lines to the Sink until nobody has any to add, and then those that
// are left.
func (r *Runner) tell(silent <-chan struct{}) {
	for {
		select {
		case l := <-r.lines:
			r.sink(l)
		case <-silent:
			for len(r.lines) > 0 {
				r.sink(<-r.lines)
			}
			return
		}
	}
}

// poller returns the poller, which is made when it is first needed.
func (r *Runner) poller() (*poller, error) {
	r.opening.Lock()
	defer r.opening.Unlock()
	var err error
	if r.poll == nil {
		r.poll, err = newPoller()
	}
	return r.poll, err
}

// spawn runs f in a goroutine that Run joins, unless Run lets go already.
func (r *Runner) spawn(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Go(f)
	return true
}

func (r *Runner) sink(l line) {
	if r.o.Sink != nil {
		r.o.Sink(l.id, l.stream, l.l)
	}
}

// Lost counts the bytes that could not be written to log files.
func (r *Runner) Lost() int64 { return r.lost.Load() }

// reserve takes the place of id for a call of Start or Adopt, which ends it with
// publish or release.
func (r *Runner) reserve(id string) error {
	if _, err := r.poller(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	if p, ok := r.procs[id]; ok {
		if p == nil {
			return errors.New("it is being started already")
		}
		return fmt.Errorf("instance %s of it runs already with pid %d: stop it first", p.rec.Instance, p.identity.PID)
	}
	r.procs[id] = nil
	r.starts.Add(1)
	return nil
}

func (r *Runner) release(id string) {
	r.mu.Lock()
	delete(r.procs, id)
	r.mu.Unlock()
	r.starts.Done()
}

// publish makes p known and has it watched. Where that fails p is still known: the
// caller releases its id.
func (r *Runner) publish(p *proc) error {
	r.mu.Lock()
	r.procs[p.rec.ID] = p
	delete(r.ended, p.rec.ID)
	r.mu.Unlock()
	err := p.watch()
	if err == nil {
		r.starts.Done()
	}
	return err
}

// live returns the process of id, nil if there is none.
func (r *Runner) live(id string) *proc {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.procs[id]
}

// gone takes p out of the registry.
func (r *Runner) gone(p *proc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.procs[p.rec.ID] == p {
		delete(r.procs, p.rec.ID)
	}
}

func (r *Runner) closing() bool {
	select {
	case <-r.quit:
		return true
	default:
		return false
	}
}

// Reaped tells how a process ended that this runner adopted and whose exit
// somebody else collected. It is not needed where a [Reaper] writes into the
// records of this runner's Dir.
func (r *Runner) Reaped(e events.ProcessReaped) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.procs {
		if p != nil && p.identity == (identity{e.PID, e.Start}) {
			select {
			case p.reaped <- exitRecord{PID: e.PID, Start: e.Start, Code: e.Code, Signal: e.Signal, Time: r.o.Now()}:
			default:
			}
			return
		}
	}
}

// openLog returns the log file of a path, shared by all who write to it.
func (r *Runner) openLog(path string, k keep) (*logfile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.logs[path]; l != nil {
		l.users++
		return l, nil
	}
	k.size = cmp.Or(k.size, r.o.LogSize)
	l, err := openLogfile(path, k, r)
	if err == nil {
		l.users = 1
		r.logs[path] = l
	}
	return l, err
}

func (r *Runner) closeLog(l *logfile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(r.logs, l.path)
		l.close()
	}
}

func (r *Runner) prune() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.logs {
		l.prune(r.o.Now())
	}
}
