//go:build linux

package runner

import (
	"cmp"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
)

// chunk is the size of a FIFO and of the buffers that are borrowed while there is
// something to read.
const chunk = 64 << 10

// turn is how many chunks a stream moves before others have their turn.
const turn = 16

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// stream moves what a process writes from one FIFO to its log file, and lines to
// the Sink.
type stream struct {
	p    *proc
	name string
	log  *logfile
	mark *marker // of a hook; guarded by mu

	mu    sync.Mutex
	fd    int         // guarded by mu; -1 when closed
	token pollToken   // guarded by mu
	cut   cutter      // guarded by mu
	due   *time.Timer // guarded by mu: set while the outlet has something due
	dueAt time.Time   // guarded by mu: when
	final bool        // guarded by mu: what is sent now are the last words
}

// openStream opens the reader's side of a FIFO.
func (p *proc) openStream(name string, log *logfile) (*stream, error) {
	path := fifoPath(p.r.o.Dir, p.rec.ID, name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	s := &stream{p: p, name: name, fd: fd, log: log}
	if p.rec.Hook != "" {
		s.mark = &marker{prefix: []byte(p.rec.Hook + ": "), bol: true}
	}
	o := p.rec.Output
	s.cut = cutter{tail: &p.tail, find: p.find, out: outlet{limit: p.limit, format: o.Format, more: p.say.more, most: cmp.Or(o.MaxLines, 500)}}
	if p.limit == nil {
		s.cut.out.limit = &allowance{rate: p.r.o.LineRate, per: time.Second}
	}
	if p.r.o.Sink != nil {
		s.cut.out.send, s.cut.out.room = s.send, p.r.room
	}
	return s, nil
}

// lastWords is how long the last line of a stream waits for a slow Sink.
const lastWords = time.Second

func (s *stream) send(l events.LogLine) bool {
	r := s.p.r
	one := line{s.p.rec.service(), s.name, l}
	select {
	case r.lines <- one:
	default:
		if !s.final {
			return false
		}
		timer := time.NewTimer(lastWords)
		defer timer.Stop()
		select {
		case r.lines <- one:
		case <-r.quit:
			return false
		case <-timer.C:
			return false
		}
	}
	if l.Dropped > 0 {
		s.p.noise.add(l.Dropped, r.o.Now())
	}
	return true
}

// noise counts the lines of a process that did not travel.
type noise struct {
	told chan int // nil: nobody wants to know

	mu    sync.Mutex
	lines int       // guarded by mu
	last  time.Time // when it was last told; guarded by mu
}

// noisePause is how often the count is told at most.
const noisePause = time.Minute

func (n *noise) add(lines int, now time.Time) {
	if n.told == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines += lines
	if now.Sub(n.last) < noisePause {
		return
	}
	n.last = now
	select {
	case <-n.told: // nobody took the last one: this has it
	default:
	}
	n.told <- n.lines
}

// Matched implements [process.Noticer].
func (p *proc) Matched() <-chan struct{} {
	if p.find == nil {
		return nil
	}
	return p.find.matched
}

// Dropped implements [process.Noticer].
func (p *proc) Dropped() <-chan int { return p.noise.told }

// watch begins to read when there is something.
func (s *stream) watch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	s.token, err = s.p.r.poll.add(s.fd, s.ready)
	return err
}

// ready moves what is there, or as much of it as is fair. What is there when the
// process has ended is drain's; when the runner lets go, the next supervisor's.
func (s *stream) ready() {
	r := s.p.r
	select {
	case r.movers <- struct{}{}:
		defer func() { <-r.movers }()
	case <-r.quit:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	for range turn {
		if s.fd < 0 || s.p.ending.Load() || r.closing() {
			return
		}
		switch _, err := s.move(buf[:]); err {
		case nil:
			continue
		case errEmpty:
		case io.EOF: // nobody can write any more
			s.endMark()
			s.final = true
			s.cut.end(r.o.Now())
			s.close()
			return
		default:
			r.o.Log.Error("move the output of a process to its log", "id", s.p.rec.ID, "stream", s.name, "file", s.log.path, "err", err)
			s.close()
			return
		}
		break
	}
	s.remind()
	if err := r.poll.rearm(s.token, s.fd); err != nil {
		r.o.Log.Error("watch the output of a process", "id", s.p.rec.ID, "stream", s.name, "err", err)
	}
}

// move takes up to len(buf) bytes.
func (s *stream) move(buf []byte) (int, error) {
	now := s.p.r.o.Now()
	if s.mark != nil {
		return s.moveMarked(buf, now)
	}
	n, err := s.log.take(s.fd, buf, now)
	if err == nil {
		s.cut.feed(buf[:n], now)
	}
	return n, err
}

// remind sees to it that lines which were dropped, or wait for others, are told
// although nothing more may be written.
func (s *stream) remind() {
	due := s.cut.out.due()
	if due.IsZero() || s.due != nil && !due.Before(s.dueAt) {
		return
	}
	if s.due != nil {
		s.due.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(max(0, due.Sub(s.p.r.o.Now())), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.due == timer {
			s.due = nil
			now := s.p.r.o.Now()
			if now.Before(due) { // by a clock that was put back
				now = due
			}
			s.cut.out.expire(now)
			s.remind()
		}
	})
	s.due, s.dueAt = timer, due
}

// drain moves what was written before it was called, as somebody else may go on
// writing for ever, and closes the stream.
func (s *stream) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return
	}
	defer s.close()
	waiting, err := unix.IoctlGetInt(s.fd, unix.TIOCINQ)
	if err != nil {
		waiting = chunk
	}
	if waiting > 0 {
		buf := buffers.Get().(*[chunk]byte)
		defer buffers.Put(buf)
		for waiting > 0 {
			n, err := s.move(buf[:min(waiting, chunk)])
			if err != nil {
				break
			}
			waiting -= n
		}
	}
	s.endMark()
	s.final = true
	s.cut.end(s.p.r.o.Now())
}

func (s *stream) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
}

// close needs mu.
func (s *stream) close() {
	if s.fd < 0 {
		return
	}
	if s.due != nil {
		s.due.Stop()
		s.due = nil
	}
	s.p.r.poll.remove(s.token, s.fd)
	unix.Close(s.fd)
	s.fd = -1
}
