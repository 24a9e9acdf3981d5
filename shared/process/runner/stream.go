//go:build linux

package runner

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
)

// chunk is the size of a FIFO and of the buffers that readers borrow while
// there is something to read.
const chunk = 64 << 10

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// stream moves what a process writes from one FIFO to its log file and lines to
// the Sink. All fields but f belong to run's goroutine once it goes.
type stream struct {
	p    *proc
	name string
	f    *os.File
	conn syscall.RawConn
	log  *logfile
	cut  cutter
	err  error // what the last move ended with
}

// openStream opens the reader's side of a FIFO.
func (p *proc) openStream(name, fifo string, log *logfile) (*stream, error) {
	fd, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: fifo, Err: err}
	}
	s := &stream{p: p, name: name, f: os.NewFile(uintptr(fd), fifo), log: log}
	if s.conn, err = s.f.SyscallConn(); err != nil {
		s.f.Close()
		return nil, err
	}
	s.cut = cutter{tail: &p.tail, rate: p.r.o.LineRate}
	if p.r.o.Sink != nil {
		s.cut.send = s.send
	}
	return s, nil
}

func (s *stream) send(l events.LogLine) bool {
	select {
	case s.p.r.lines <- line{s.p.rec.ID, s.name, l}:
		return true
	default:
		return false
	}
}

// run reads until nobody can write any more, the process has ended, or the
// runner lets go.
func (s *stream) run() {
	defer s.p.r.wg.Done()
	defer s.p.readers.Done()
	defer s.f.Close()
	step := s.step
	for {
		if s.p.r.closing() {
			return // the rest is the next supervisor's
		}
		if s.p.ending.Load() {
			s.drain()
			return
		}
		if err := s.conn.Read(step); errors.Is(err, os.ErrDeadlineExceeded) {
			s.cut.flush(s.p.r.o.Now())
			s.deadline()
			continue
		} else if err != nil {
			s.p.r.o.Log.Error("read the output of a process", "id", s.p.rec.ID, "stream", s.name, "err", err)
			return
		}
		switch s.err {
		case nil:
		case io.EOF:
			s.cut.end(s.p.r.o.Now())
			return
		default:
			s.p.r.o.Log.Error("move the output of a process to its log", "id", s.p.rec.ID, "stream", s.name, "file", s.log.path, "err", s.err)
			return
		}
	}
}

// step moves what is there, but comes back now and then to see whether the
// process has ended. It reports false where it is to be called again when there
// is more.
func (s *stream) step(fd uintptr) bool {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	for range 16 {
		if s.move(int(fd), buf[:]) != nil {
			break
		}
	}
	if s.err == errEmpty {
		s.err = nil
		// Set before waiting, so that it counts for this wait. Its own wake-up
		// is told from that of a process that ended by the flags.
		s.deadline()
		return s.p.ending.Load() || s.p.r.closing()
	}
	return true
}

func (s *stream) move(fd int, buf []byte) error {
	now := s.p.r.o.Now()
	var n int
	if n, s.err = s.log.take(fd, buf, now); s.err == nil {
		s.cut.feed(buf[:n], now)
	}
	return s.err
}

// deadline wakes the reader when lines that were dropped should be told.
func (s *stream) deadline() {
	due := s.cut.due()
	if due.IsZero() {
		s.f.SetReadDeadline(time.Time{})
	} else {
		s.f.SetReadDeadline(time.Now().Add(max(0, due.Sub(s.p.r.o.Now()))))
	}
}

// drain moves what was written before it was called; somebody else may go on
// writing for ever.
func (s *stream) drain() {
	s.conn.Control(func(fd uintptr) {
		waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		if err != nil {
			waiting = chunk
		}
		buf := buffers.Get().(*[chunk]byte)
		defer buffers.Put(buf)
		for waiting > 0 {
			now := s.p.r.o.Now()
			n, err := s.log.take(int(fd), buf[:min(waiting, chunk)], now)
			if err != nil {
				return
			}
			s.cut.feed(buf[:n], now)
			waiting -= n
		}
	})
	s.cut.end(s.p.r.o.Now())
}

// wake makes run look at the flags of its process. The flag is set first: see
// step.
func (s *stream) wake() { s.f.SetReadDeadline(time.Unix(1, 0)) }
