package runner

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine is how much of a line travels.
	maxLine = 16 << 10
	// maxLast is how much of a line is kept for the exit.
	maxLast = 1 << 10
	// keptLines is how many lines are kept for the exit.
	keptLines = 20
)

// tail keeps the last lines of all streams of a process.
type tail struct {
	mu    sync.Mutex
	lines [keptLines]string // guarded by mu: a ring
	next  int               // guarded by mu: lines ever put
}

func (t *tail) put(s string) {
	if len(s) > maxLast {
		s = strings.Clone(s[:maxLast]) + "…"
	}
	t.mu.Lock()
	t.lines[t.next%keptLines] = s
	t.next++
	t.mu.Unlock()
}

// all returns the lines, oldest first, as valid UTF-8.
func (t *tail) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for i := max(0, t.next-keptLines); i < t.next; i++ {
		out = append(out, strings.ToValidUTF8(t.lines[i%keptLines], "\uFFFD"))
	}
	return out
}

// cutter turns the bytes of one stream into lines: every line goes to the tail and
// before the finder, and as many as the outlet allows travel.
type cutter struct {
	tail *tail
	find *finder // nil: nothing is looked for
	out  outlet

	carry []byte // the beginning of a line whose end has not come, at most maxLine
	over  int    // bytes of that line beyond it
	cr    bool   // the last byte of over is a CR
}

// feed takes the next bytes. It keeps none of b.
func (c *cutter) feed(b []byte, now time.Time) {
	c.out.turn(now)
	if len(c.carry) > 0 || c.over > 0 {
		b = c.finishCarry(b, now)
	}
	for len(b) > 0 && c.out.open() {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		c.whole(b[:i], now)
		b = b[i+1:]
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		c.many(b[:i+1], now)
		b = b[i+1:]
	}
	c.begin(b)
}

// begin takes a part of a line that does not end yet.
func (c *cutter) begin(b []byte) {
	if len(b) == 0 {
		return
	}
	n := min(len(b), maxLine-len(c.carry))
	c.carry = append(c.carry, b[:n]...)
	if b = b[n:]; len(b) > 0 {
		c.over += len(b)
		c.cr = b[len(b)-1] == '\r'
	}
}

// finishCarry completes the line that has begun and returns what follows it.
func (c *cutter) finishCarry(b []byte, now time.Time) []byte {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		c.begin(b)
		return nil
	}
	c.begin(b[:i])
	switch {
	case c.over == 0:
		c.carry = trimCR(c.carry)
	case c.cr:
		c.over--
	}
	c.line(string(c.carry), c.over, now)
	c.carry, c.over, c.cr = nil, 0, false // most streams end their lines: keep no buffer for them
	return b[i+1:]
}

// many takes complete lines of which most will not travel.
func (c *cutter) many(b []byte, now time.Time) {
	if !c.out.open() && !c.find.looking() {
		// Only the last ones matter: count the others.
		keep := len(b)
		for range keptLines {
			i := bytes.LastIndexByte(b[:max(0, keep-1)], '\n')
			if keep = i + 1; i < 0 {
				break
			}
		}
		c.out.skip(bytes.Count(b[:keep], []byte{'\n'}))
		b = b[keep:]
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		c.whole(b[:i], now)
		b = b[i+1:]
	}
}

// whole takes a line without its end.
func (c *cutter) whole(b []byte, now time.Time) {
	b = trimCR(b)
	cut := max(0, len(b)-maxLine)
	c.line(string(b[:len(b)-cut]), cut, now)
}

// line takes the beginning of a line, and how many bytes follow it there.
func (c *cutter) line(text string, cut int, now time.Time) {
	c.tail.put(text)
	c.find.look(text)
	c.out.put(text, cut, now)
}

// end takes what is left as a line.
func (c *cutter) end(now time.Time) {
	if len(c.carry) > 0 {
		c.line(string(c.carry), c.over, now)
		c.carry, c.over, c.cr = nil, 0, false
	}
	c.out.end()
}

func trimCR(b []byte) []byte { return bytes.TrimSuffix(b, []byte{'\r'}) }
