//go:build linux

package runner

import (
	"bytes"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// marker puts the name of a hook before its lines. They go through memory: a
// supervisor that is killed takes the hook with it, and its last words.
type marker struct {
	prefix []byte
	bol    bool // the next byte begins a line
}

func (m *marker) lines(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(m.prefix)*(1+bytes.Count(b, []byte{'\n'})))
	for line := range bytes.Lines(b) {
		if m.bol {
			out = append(out, m.prefix...)
		}
		out = append(out, line...)
		m.bol = line[len(line)-1] == '\n'
	}
	return out
}

// moveMarked is move for a hook.
func (s *stream) moveMarked(buf []byte, now time.Time) (int, error) {
	n, err := unix.Read(s.fd, buf)
	for err == unix.EINTR {
		n, err = unix.Read(s.fd, buf)
	}
	switch {
	case err == unix.EAGAIN:
		return 0, errEmpty
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	out := s.mark.lines(buf[:n])
	s.log.add(out, now)
	s.cut.feed(out, now)
	return n, nil
}

// add writes bytes that were read already.
func (l *logfile) add(b []byte, now time.Time) {
	if l.path == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.check(now)
	if l.max > 0 && l.regular && l.f != nil && l.bol && l.size > 0 && l.size+int64(len(b)) > l.max {
		l.rotate(now)
	}
	l.put(b)
}
