//go:build linux

package runner

import (
	"cmp"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
)

// proc is one instance of a process.
type proc struct {
	r   *Runner
	rec record
	identity
	adopted  bool
	followed bool // what follows its end is done
	// untold: nobody will tell the exit of the process later than in its record.
	untold bool

	pin     sync.RWMutex
	fd      int       // guarded by pin: a pidfd; -1 if there is none
	token   pollToken // guarded by pin
	logs    []*logfile
	streams []*stream
	tail    tail
	find    *finder // nil: nothing is looked for
	say     patterns
	limit   *allowance // of all streams; nil: each has its own
	noise   noise
	// ending: all writers that count have ended, the rest is drained.
	ending atomic.Bool
	// reaped brings the exit of a process that is not our child.
	reaped chan exitRecord

	stopping sync.Once
	stop     chan struct{} // closed when Stop was called
	deadline time.Time     // of what was asked to stop; written before stop is closed
	hurrying sync.Once
	hurry    chan struct{} // closed when what is left is to be killed

	done  chan struct{}
	exit  process.Exit  // written before done is closed
	swept chan struct{} // closed when descendants elsewhere are gone too
	held  error         // why they are not; written before swept is closed
}

var (
	_ process.Recorded = (*proc)(nil)
	_ process.Noticer  = (*proc)(nil)
)

func newProc(r *Runner, rec record) (*proc, error) {
	p := &proc{
		r: r, rec: rec, fd: -1,
		reaped: make(chan exitRecord, 1),
		stop:   make(chan struct{}), hurry: make(chan struct{}),
		done: make(chan struct{}), swept: make(chan struct{}),
	}
	var err error
	p.say, err = compile(rec.Output)
	if p.say.find != nil {
		p.find = newFinder(p.say.find, func() {
			if err := note(r.o.Dir, rec.ID, entry{Matched: true}); err != nil {
				r.o.Log.Warn("record that a line matched", "id", rec.ID, "instance", rec.Instance, "err", err)
			}
		})
	}
	if o := rec.Output; o.Rate > 0 {
		p.limit = &allowance{rate: o.Rate, per: cmp.Or(o.Per, time.Second)}
		p.noise.told = make(chan int, 1)
	}
	return p, err
}

func (p *proc) PID() int              { return p.identity.PID }
func (p *proc) Instance() string      { return p.rec.Instance }
func (p *proc) Done() <-chan struct{} { return p.done }
func (p *proc) Note() string          { return p.rec.Note }
func (p *proc) Digest() string        { return p.rec.Digest }
func (p *proc) Adopted() bool         { return p.adopted }
func (p *proc) Followed() bool        { return p.followed }

// Exit implements [process.Process].
func (p *proc) Exit() process.Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return process.Exit{Code: -1, Unknown: true}
	}
}

func (p *proc) String() string {
	return fmt.Sprintf("%s (instance %s, pid %d)", p.rec.ID, p.rec.Instance, p.identity.PID)
}

// Signal implements [process.Signaller].
func (p *proc) Signal(s syscall.Signal) error {
	if err := p.use(func(fd int) error { return unix.PidfdSendSignal(fd, s, nil, 0) }); err != nil {
		return fmt.Errorf("send %s to %s: %w", signalName(s), p, err)
	}
	return nil
}

// wanted is for as long as p has its id to itself; a sweep that comes later must
// not look at FIFOs.
func (p *proc) wanted() wanted {
	return wanted{instance: p.rec.Instance, session: p.identity.PID, since: p.rec.Ticks, fifos: fifoInodes(p.r.o.Dir, p.rec.ID)}
}

// hold takes over a pidfd.
func (p *proc) hold(fd int) {
	p.pin.Lock()
	p.fd = fd
	p.pin.Unlock()
}

// use calls f with the pidfd while it cannot be closed; with none it fails.
func (p *proc) use(f func(fd int) error) error {
	p.pin.RLock()
	defer p.pin.RUnlock()
	if p.fd < 0 {
		return os.ErrClosed
	}
	return f(p.fd)
}

// open opens the log files and the readers' sides of the FIFOs.
func (p *proc) open() error {
	if err := p.openLogs(); err != nil {
		return err
	}
	for i, name := range []string{Stdout, Stderr} {
		s, err := p.openStream(name, p.logs[min(i, len(p.logs)-1)])
		if err != nil {
			return err
		}
		p.streams = append(p.streams, s)
	}
	return nil
}

func (p *proc) openLogs() error {
	paths := []string{p.rec.Stdout}
	if p.rec.Stderr != "" && p.rec.Stderr != p.rec.Stdout {
		paths = append(paths, p.rec.Stderr)
	}
	for _, path := range paths {
		l, err := p.r.openLog(path, keep{
			size: p.rec.Output.MaxSize, files: p.rec.Output.MaxFiles, age: p.rec.Retention, stamps: p.rec.Output.Timestamps, owner: p.rec.owner(),
		})
		if err != nil {
			return err
		}
		p.logs = append(p.logs, l)
	}
	return nil
}

// close closes everything that was opened, in any state.
func (p *proc) close() {
	for _, s := range p.streams {
		s.shut()
	}
	for _, l := range p.logs {
		p.r.closeLog(l)
	}
	p.logs = nil
	p.pin.Lock()
	defer p.pin.Unlock()
	if p.fd >= 0 {
		p.r.poll.remove(p.token, p.fd)
		unix.Close(p.fd)
		p.fd = -1
	}
}

// watch makes the runner's poller call the process and its streams.
func (p *proc) watch() error {
	for _, s := range p.streams {
		if err := s.watch(); err != nil {
			return err
		}
	}
	p.pin.Lock()
	defer p.pin.Unlock()
	var err error
	p.token, err = p.r.poll.add(p.fd, p.over)
	return err
}

// over is called when the leader has ended. It sees to what is left of the process;
// when the runner lets go, that is the next one's.
func (p *proc) over() {
	x, err := p.collect()
	if err == nil {
		err = p.settle()
	}
	if err != nil {
		return
	}
	p.ending.Store(true)
	for _, s := range p.streams {
		s.drain()
	}
	p.finish(x)
	p.r.gone(p)
	close(p.done)
}

// finish sets the exit, which is in the record.
func (p *proc) finish(x exitRecord) {
	p.close()
	p.exit = process.Exit{Code: x.Code, Signal: x.Signal, Unknown: x.Unknown, Time: x.Time, LastLines: p.tail.all()}
}

// collect returns how the leader ended, with that in the record. It fails when the
// runner lets go.
func (p *proc) collect() (exitRecord, error) {
	var x exitRecord
	var child bool
	p.use(func(fd int) error { x, child = peekExit(fd); return nil })
	x.PID, x.Start, x.Time = p.identity.PID, p.identity.Start, p.r.o.Now()
	if child {
		// The record first: should this be the supervisor's last moment, the
		// exit is either there or still to be collected by the reaper.
		p.recordExit(x)
		for {
			if _, err := unix.Wait4(p.identity.PID, nil, 0, nil); err != unix.EINTR {
				return x, nil
			}
		}
	}
	x, told := p.awaitReaper()
	if !told && p.r.closing() {
		return x, errClosed
	}
	if !told {
		x = exitRecord{PID: p.identity.PID, Start: p.identity.Start, Code: -1, Unknown: true, Time: p.r.o.Now()}
		p.recordExit(x)
	}
	return x, nil
}

func (p *proc) recordExit(x exitRecord) {
	if err := note(p.r.o.Dir, p.rec.ID, entry{Exit: &x}); err != nil {
		p.r.o.Log.Warn("record the exit of a process", "id", p.rec.ID, "instance", p.rec.Instance, "err", err)
	}
}

const (
	// reapWait is how long a zombie that is somebody else's child may lie.
	reapWait = time.Second
	// toldWait is how long an exit may travel that is not in the record. A
	// [Reaper] writes there before it reaps.
	toldWait = 250 * time.Millisecond
)

// awaitReaper waits for the exit that a reaper tells, where there is one.
func (p *proc) awaitReaper() (exitRecord, bool) {
	var gone time.Time // since when it is not even a zombie
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		s, err := readStat(p.identity.PID)
		if gone.IsZero() && (err != nil || s.identity != p.identity) {
			gone = time.Now()
		}
		lies := err == nil && s.identity == p.identity && s.ended()
		if j, err := load(p.r.o.Dir, p.rec.ID); err == nil && j != nil && j.started == p.identity && j.exit != nil {
			return *j.exit, true
		}
		switch {
		case p.r.o.Alone && (lies || !gone.IsZero()):
			return exitRecord{}, false
		case !gone.IsZero() && (p.untold || time.Since(gone) > toldWait), time.Since(began) > reapWait, p.r.closing():
			return exitRecord{}, false
		}
		timer := time.NewTimer(pause)
		select {
		case x := <-p.reaped:
			timer.Stop()
			p.recordExit(x)
			return x, true
		case <-timer.C:
		}
	}
}

// peekExit returns how the child of a pidfd ended, which stays to be reaped;
// false if it is nobody's, or somebody else's, child.
func peekExit(fd int) (exitRecord, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.Signo == 0 {
			return exitRecord{}, false
		}
		break
	}
	// siginfo_t's union begins at a multiple of the word size after three
	// ints; for SIGCHLD it has pid, uid and status.
	const word = unsafe.Sizeof(uintptr(0))
	const union = (12 + word - 1) / word * word
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), union+8))
	return exitOf(info.Code, status), true
}

// exitOf reads a status as waitid(2) gives it.
func exitOf(code, status int32) exitRecord {
	if code == 1 { // CLD_EXITED
		return exitRecord{Code: int(status)}
	}
	return exitRecord{Code: -1, Signal: signalName(syscall.Signal(status))}
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(s)) // a real-time signal
}
