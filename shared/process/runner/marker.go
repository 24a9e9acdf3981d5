//go:build linux

package runner

import (
	"bytes"
	"time"
)

// marker puts the name of a hook before its lines. They go through memory: a
// supervisor that is killed takes the hook with it, and its last words.
type marker struct {
	prefix []byte
	begun  []byte // a line without its end: two streams may share a file
	bol    bool   // the next byte begins a line
}

// lines takes bytes and returns the lines that they complete, with the name before
// each.
func (m *marker) lines(b []byte) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		if m.bol {
			m.begun = append(m.begun, m.prefix...)
		}
		m.begun = append(m.begun, line...)
		m.bol = line[len(line)-1] == '\n'
		if m.bol || len(m.begun) > maxLine {
			out = append(out, m.begun...)
			m.begun = m.begun[:0]
		}
	}
	return out
}

// end returns what has begun, with an end to it.
func (m *marker) end() []byte {
	if m.bol {
		return nil
	}
	out := append(m.begun, '\n')
	m.begun, m.bol = nil, true
	return out
}

// endMark brings the last line of a hook to the log.
func (s *stream) endMark() {
	if s.mark == nil {
		return
	}
	now := s.p.r.o.Now()
	if out := s.mark.end(); len(out) > 0 {
		s.log.add(out, now)
		s.cut.feed(out, now)
	}
}

// moveMarked is move for a hook.
func (s *stream) moveMarked(buf []byte, now time.Time) (int, error) {
	n, err := readFIFO(s.fd, buf)
	if err != nil {
		return 0, err
	}
	if out := s.mark.lines(buf[:n]); len(out) > 0 {
		s.log.add(out, now)
		s.cut.feed(out, now)
	}
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
	if l.size > 0 && l.regular && l.f != nil && l.bol && l.used > 0 && l.used+int64(len(b)) > l.size {
		l.rotate(now)
	}
	l.put(b)
}
