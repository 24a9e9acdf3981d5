package runner

import (
	"bytes"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"core.internal/shared/events"
)

const (
	// maxLine is the longest piece of a line that travels.
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

// cutter turns the bytes of one stream into lines: every line goes to the tail,
// and as many as the rate allows to send.
type cutter struct {
	tail *tail
	rate int
	// send hands a line on; false if it could not.
	send func(events.LogLine) bool

	carry   []byte    // the beginning of a line whose end has not come
	cut     bool      // pieces of that line were told already
	window  time.Time // when the present second began
	sent    int       // in the present second
	dropped int       // lines that did not travel since the last that did
	last    string    // the last of them
}

// feed takes the next bytes. It keeps none of b.
func (c *cutter) feed(b []byte, now time.Time) {
	if now.Sub(c.window) >= time.Second || now.Before(c.window) {
		c.flush(now)
		c.window, c.sent = now, 0
	}
	if len(c.carry) > 0 {
		b = c.finishCarry(b, now)
	}
	for len(b) > 0 && c.send != nil && c.sent < c.rate {
		i := bytes.IndexByte(b, '\n')
		if i < 0 || i > maxLine {
			break
		}
		c.line(string(trimCR(b[:i])), now)
		b = b[i+1:]
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		c.many(b[:i+1], now)
		b = b[i+1:]
	}
	for len(b) > maxLine {
		c.line(string(b[:maxLine]), now)
		b = b[maxLine:]
		c.cut = true
	}
	c.carry = append(c.carry, b...)
}

// finishCarry completes the line that has begun and returns what follows it.
func (c *cutter) finishCarry(b []byte, now time.Time) []byte {
	for {
		n := min(len(b), maxLine+1-len(c.carry))
		i := bytes.IndexByte(b[:n], '\n')
		if i >= 0 {
			n = i
		}
		c.carry = append(c.carry, b[:n]...)
		b = b[n:]
		switch {
		case i >= 0:
			if text := string(trimCR(c.carry)); text != "" || !c.cut {
				c.line(text, now)
			}
			c.carry, c.cut = nil, false // most streams end their lines: keep no buffer for them
			return b[1:]
		case len(c.carry) <= maxLine:
			return nil
		}
		c.line(string(c.carry[:maxLine]), now)
		c.carry = append(c.carry[:0], c.carry[maxLine:]...)
		c.cut = true
	}
}

// many takes complete lines of which most will not travel.
func (c *cutter) many(b []byte, now time.Time) {
	if c.send == nil || c.sent >= c.rate {
		// Only the last ones matter: count the others.
		keep := len(b)
		for range keptLines {
			i := bytes.LastIndexByte(b[:max(0, keep-1)], '\n')
			if keep = i + 1; i < 0 {
				break
			}
		}
		c.dropped += bytes.Count(b[:keep], []byte{'\n'})
		b = b[keep:]
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		l := trimCR(b[:i])
		for len(l) > maxLine {
			c.line(string(l[:maxLine]), now)
			l = l[maxLine:]
		}
		c.line(string(l), now)
		b = b[i+1:]
	}
}

// line takes one line, or one piece of a line that is too long.
func (c *cutter) line(text string, now time.Time) {
	c.tail.put(text)
	if c.send == nil {
		return
	}
	if c.sent < c.rate && c.send(logLine(text, c.dropped, now)) {
		c.sent++
		c.dropped, c.last = 0, ""
		return
	}
	c.dropped++
	c.last = text
}

// flush sends the last line that did not travel, so that the count of those
// before it is known.
func (c *cutter) flush(now time.Time) {
	if c.dropped > 0 && c.send != nil && c.send(logLine(c.last, c.dropped-1, now)) {
		c.dropped, c.last = 0, ""
	}
}

// end takes what is left as a line.
func (c *cutter) end(now time.Time) {
	if len(c.carry) > 0 {
		c.line(string(c.carry), now)
		c.carry, c.cut = nil, false
	}
	c.flush(now)
}

// due returns when flush should be called; zero if it need not be.
func (c *cutter) due() time.Time {
	if c.dropped == 0 || c.send == nil {
		return time.Time{}
	}
	return c.window.Add(time.Second)
}

func logLine(text string, dropped int, now time.Time) events.LogLine {
	l := events.LogLine{Time: now, Dropped: dropped}
	if utf8.ValidString(text) {
		l.Text = text
	} else {
		l.Raw = []byte(text)
	}
	return l
}

func trimCR(b []byte) []byte { return bytes.TrimSuffix(b, []byte{'\r'}) }
