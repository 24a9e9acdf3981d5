package coordinator

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"unicode/utf8"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

const (
	// maxLine is where a line without an end is cut.
	maxLine = 16 << 10
	// keptLines is how many last lines explain a failure.
	keptLines = 10
)

// stepLog is the log of one attempt of a step: an io.Writer whose lines go to
// the file on disk first and then to the bus.
type stepLog struct {
	c    *Coordinator
	job  pipeline.Job
	file *os.File // nil where it cannot be opened

	mu   sync.Mutex
	part []byte   // a line without its end; guarded by mu
	last []string // guarded by mu
}

// openLog opens a step's log, which the attempts of the step share. Where the
// disk refuses, lines go to the bus alone.
func (c *Coordinator) openLog(job pipeline.Job) *stepLog {
	l := &stepLog{c: c, job: job}
	dir := filepath.Join(c.o.Dir, string(job.Run))
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		l.file, err = os.OpenFile(filepath.Join(dir, job.Step+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	}
	if err != nil {
		c.o.Log.Error("a step's log cannot be kept on disk", "run", job.Run, "step", job.Step, "error", err)
	}
	return l
}

// Write takes output. It never fails.
func (l *stepLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		line, rest, complete := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(l.part); len(line) > room {
			line, rest, complete = b[:room], b[room:], true
		}
		l.part = append(l.part, line...)
		if complete {
			l.line()
		}
		b = rest
	}
	return n, nil
}

// flush ends a line that has no end.
func (l *stepLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.line()
	}
}

// line passes on the line that is complete.
func (l *stepLog) line() {
	text := bytes.TrimSuffix(l.part, []byte{'\r'})
	if l.file != nil {
		if _, err := l.file.Write(append(text, '\n')); err != nil {
			l.c.o.Log.Error("a step's log cannot be kept on disk", "run", l.job.Run, "step", l.job.Step, "error", err)
			l.file.Close()
			l.file = nil
		}
	}
	line := events.LogLine{Time: now()}
	if utf8.Valid(text) {
		line.Text = string(text)
	} else {
		line.Raw = bytes.Clone(text)
	}
	l.c.o.Bus.PublishLine(l.c.o.Node, l.job.Run, l.job.Step, line)
	if l.last = append(l.last, string(text)); len(l.last) > keptLines {
		l.last = l.last[1:]
	}
	l.part = l.part[:0]
}

// lastLines returns the last lines, oldest first.
func (l *stepLog) lastLines() []string {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *stepLog) close() {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
