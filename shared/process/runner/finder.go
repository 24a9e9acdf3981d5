package runner

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"core.internal/shared/process"
)

// finder looks at the lines of all streams of a process for the first that
// matches.
type finder struct {
	re    *regexp.Regexp
	found func() // called once, before matched is closed

	once    sync.Once
	seen    atomic.Bool
	matched chan struct{}
}

func newFinder(re *regexp.Regexp, found func()) *finder {
	return &finder{re: re, found: found, matched: make(chan struct{})}
}

func (f *finder) looking() bool { return f != nil && !f.seen.Load() }

func (f *finder) look(text string) {
	if f.looking() && f.re.MatchString(text) {
		f.tell()
	}
}

// tell says that a line has matched.
func (f *finder) tell() {
	f.once.Do(func() {
		f.seen.Store(true)
		if f.found != nil {
			f.found()
		}
		close(f.matched)
	})
}

// scan looks at what is in a log file after an offset: what came there, and
// nobody looked at.
func (f *finder) scan(path string, offset int64, stamped bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if offset > info.Size() {
		offset = 0 // rotated since
	}
	r := bufio.NewReaderSize(io.NewSectionReader(file, offset, info.Size()-offset), maxLine)
	for f.looking() {
		line, err := r.ReadSlice('\n')
		long := err == bufio.ErrBufferFull
		if err == io.EOF {
			return nil // it goes on when its end comes
		}
		line = trimCR(bytes.TrimSuffix(line, []byte{'\n'}))
		if stamped {
			line = unstamped(line)
		}
		f.look(string(line))
		for long {
			_, err = r.ReadSlice('\n')
			long = err == bufio.ErrBufferFull
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lineStamp is the time before each line of a log file that has times, in UTC.
const lineStamp = "2006-01-02T15:04:05.000Z "

// stamped returns b with the time before each line that begins in it; bol says
// that b begins one.
func stamped(b []byte, bol bool, now time.Time) []byte {
	stamp := now.UTC().AppendFormat(nil, lineStamp)
	out := make([]byte, 0, len(b)+(bytes.Count(b, []byte{'\n'})+1)*len(stamp))
	for line := range bytes.Lines(b) {
		if bol {
			out = append(out, stamp...)
		}
		out = append(out, line...)
		bol = true
	}
	return out
}

// unstamped returns a line without its time.
func unstamped[T string | []byte](line T) T {
	if len(line) >= len(lineStamp) {
		if _, err := time.Parse(lineStamp, string(line[:len(lineStamp)])); err == nil {
			return line[len(lineStamp):]
		}
	}
	return line
}

// patterns are the compiled ones of an output.
type patterns struct{ more, find *regexp.Regexp }

func compile(o process.Output) (patterns, error) {
	var p patterns
	for _, c := range []struct {
		to         **regexp.Regexp
		name, text string
	}{{&p.more, "multiline", o.Multiline}, {&p.find, "line", o.Pattern}} {
		if c.text == "" {
			continue
		}
		re, err := regexp.Compile(c.text)
		if err != nil {
			return p, fmt.Errorf("the %s pattern %q: %w", c.name, c.text, err)
		}
		*c.to = re
	}
	return p, nil
}
