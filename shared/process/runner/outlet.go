package runner

import (
	"regexp"
	"sync"
	"time"
	"unicode/utf8"

	"core.internal/shared/events"
	"core.internal/shared/process/logline"
)

const (
	// maxEntry is how long lines that belong together may be in all, to travel
	// as one.
	maxEntry = 64 << 10
	// joinPause is how long an entry waits for more lines.
	joinPause = 100 * time.Millisecond
)

// allowance is how many lines may travel within a time. The streams of a process
// may share one.
type allowance struct {
	rate int
	per  time.Duration

	mu     sync.Mutex
	window time.Time // when the present time began; guarded by mu
	sent   int       // in it; guarded by mu
}

// turn begins a new time where that is due.
func (a *allowance) turn(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.window) >= a.per || now.Before(a.window) {
		a.window, a.sent = now, 0
	}
}

func (a *allowance) left() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent < a.rate
}

// take uses up one, and reports whether there was one.
func (a *allowance) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent >= a.rate {
		return false
	}
	a.sent++
	return true
}

// back returns one that was taken.
func (a *allowance) back() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = max(0, a.sent-1)
}

// began is when the present time began.
func (a *allowance) began() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.window
}

// outlet lets lines travel: it joins those that belong together, and sends as many
// as the allowance has. Lines that did not travel are counted in the next that
// does, which the last one always is.
type outlet struct {
	// send hands a line on; false if it could not. Nothing travels if nil.
	send func(events.LogLine) bool
	// room reports whether send would take a line now; nil: always. While it would
	// not, lines are counted and not looked at.
	room   func() bool
	limit  *allowance
	format string         // see [logline.Level]
	more   *regexp.Regexp // matches lines that continue the one before; nil for none
	most   int            // lines of one entry

	entry   entryLines
	window  time.Time // of the allowance, when it was last looked at
	tried   time.Time // when flush last failed
	dropped int       // lines that did not travel since the last that did
	last    entryLines
}

// entryLines is one line, or several that belong together.
type entryLines struct {
	text    string
	cut     int
	lines   int
	at      time.Time // of its first line
	touched time.Time // of its last line
}

// turn begins a new window where that is due.
func (o *outlet) turn(now time.Time) {
	if o.send == nil {
		return
	}
	o.limit.turn(now)
	if w := o.limit.began(); !w.Equal(o.window) {
		o.window = w
		o.flush(now)
	}
}

// open reports whether a line would travel.
func (o *outlet) open() bool { return o.send != nil && o.takes() && o.limit.left() }

// takes reports whether send would take a line, whatever the allowance.
func (o *outlet) takes() bool { return o.room == nil || o.room() }

// put takes a line.
func (o *outlet) put(text string, cut int, now time.Time) {
	if o.send == nil {
		return
	}
	line := entryLines{text, cut, 1, now, now}
	if o.more == nil {
		o.emit(line)
		return
	}
	e := &o.entry
	if e.lines > 0 && e.lines < o.most && len(e.text)+len(text) < maxEntry && o.more.MatchString(text) {
		e.text += "\n" + text
		e.cut += cut
		e.lines++
		e.touched = now
		return
	}
	o.release()
	o.entry = line
}

// release sends the entry that waits for more lines.
func (o *outlet) release() {
	if e := o.entry; e.lines > 0 {
		o.entry = entryLines{}
		o.emit(e)
	}
}

// skip counts lines that nobody looks at; others follow that are.
func (o *outlet) skip(lines int) {
	if o.send == nil || lines == 0 {
		return
	}
	o.release()
	o.dropped += lines
	o.last = entryLines{}
}

func (o *outlet) emit(e entryLines) {
	if o.takes() && o.limit.take() {
		if o.send(o.logLine(e, o.dropped)) {
			o.dropped, o.last = 0, entryLines{}
			return
		}
		o.limit.back()
	}
	o.dropped += e.lines
	o.last = e
}

// flush tells what was dropped, as one of the lines that may travel.
func (o *outlet) flush(now time.Time) {
	if o.dropped == 0 || o.last.lines == 0 {
		return
	}
	if o.limit.take() {
		if o.tell() {
			return
		}
		o.limit.back()
	}
	o.tried = now
}

// tell sends the last line that did not travel, so that the count of those before
// it is known.
func (o *outlet) tell() bool {
	ok := o.send(o.logLine(o.last, o.dropped-o.last.lines))
	if ok {
		o.dropped, o.last = 0, entryLines{}
	}
	return ok
}

// end sends what waits, and the last line whatever the allowance.
func (o *outlet) end() {
	if o.send == nil {
		return
	}
	o.release()
	if o.dropped > 0 && o.last.lines > 0 {
		o.tell()
	}
}

// due returns when expire should be called; zero if it need not be.
func (o *outlet) due() time.Time {
	var t time.Time
	if o.entry.lines > 0 {
		t = o.entry.touched.Add(joinPause)
	}
	if o.dropped > 0 && o.last.lines > 0 {
		if w := o.flushes(); t.IsZero() || w.Before(t) {
			t = w
		}
	}
	return t
}

// flushes is when flush is next worth a try.
func (o *outlet) flushes() time.Time {
	if o.tried.After(o.window) {
		return o.tried.Add(o.limit.per)
	}
	return o.window.Add(o.limit.per)
}

// expire does what is due now; what fails is due again later than now.
func (o *outlet) expire(now time.Time) {
	if o.entry.lines > 0 && !now.Before(o.entry.touched.Add(joinPause)) {
		o.release()
	}
	if o.dropped > 0 && !now.Before(o.flushes()) {
		o.limit.turn(now)
		o.window = o.limit.began()
		o.flush(now)
	}
}

func (o *outlet) logLine(e entryLines, dropped int) events.LogLine {
	l := events.LogLine{Time: e.at, Dropped: dropped, Cut: e.cut, Level: logline.Level(o.format, e.text)}
	if e.cut > 0 && e.lines == 1 { // not in the middle of a character
		for n := 1; n < utf8.UTFMax && n <= len(e.text); n++ {
			if i := len(e.text) - n; utf8.RuneStart(e.text[i]) {
				if !utf8.FullRuneInString(e.text[i:]) {
					e.text, l.Cut = e.text[:i], l.Cut+n
				}
				break
			}
		}
	}
	if utf8.ValidString(e.text) {
		l.Text = e.text
	} else {
		l.Raw = []byte(e.text)
	}
	return l
}
