package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fsnotify/fsnotify"

	"core.internal/shared/events"
	"core.internal/shared/process/logline"
)

// fileLogs prints the log file of a service or daemon.
func (c *call) fileLogs(ctx context.Context, p *logPrinter, name string) error {
	path := c.node.Layout().Log(name)
	f, err := os.Open(path)
	if err != nil {
		return &Problem{Err: fmt.Errorf("read the log of %s: %w", name, err), Fix: "it writes one when it runs; --root and --node name another node"}
	}
	t := &logTail{c: c, p: p, name: name, path: path, file: f}
	defer func() { t.file.Close() }()
	follow := value[bool](c, "follow")
	var watcher *fsnotify.Watcher
	if follow {
		// Watched before it is read, so that nothing falls between.
		if watcher, err = fsnotify.NewWatcher(); err != nil {
			return fmt.Errorf("follow %s: %w", path, err)
		}
		defer watcher.Close()
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			return fmt.Errorf("follow %s: %w", path, err)
		}
	}
	if err := t.begin(value[int](c, "tail")); err != nil || !follow {
		return errors.Join(err, t.rest())
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-watcher.Errors:
			return fmt.Errorf("follow %s: %w", path, err)
		case e := <-watcher.Events:
			if e.Name != path {
				continue
			}
			if err := t.read(); err != nil {
				return err
			}
		}
	}
}

// logTail prints a file that grows and may be replaced.
type logTail struct {
	c          *call
	p          *logPrinter
	name, path string
	file       *os.File
	part       []byte    // a line without its end
	time       time.Time // of the last line that said when it was written
	untimed    bool      // it was told that a line has no time
}

// begin prints what is there, the last lines of it where tail is not 0.
func (t *logTail) begin(tail int) error {
	if tail == 0 {
		return t.read()
	}
	var last []events.LogLine
	r := bufio.NewReader(t.file)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			t.part = line
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", t.path, err)
		}
		l, ok := t.parse(line[:len(line)-1])
		if !ok {
			continue
		}
		if last = append(last, l); len(last) > tail {
			last = last[1:]
		}
	}
	for _, l := range last {
		if err := t.tell(l); err != nil {
			return err
		}
	}
	return nil
}

// read prints the lines that came since, of the file's successor too.
func (t *logTail) read() error {
	for {
		if err := t.drain(); err != nil {
			return err
		}
		next, err := t.successor()
		if err != nil || next == nil {
			return err
		}
		t.file.Close()
		t.file = next
	}
}

// successor returns the file that took the path's place, nil if none did.
func (t *logTail) successor() (*os.File, error) {
	now, err := os.Stat(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", t.path, err)
	}
	was, err := t.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", t.path, err)
	}
	if os.SameFile(was, now) {
		if offset, err := t.file.Seek(0, io.SeekCurrent); err == nil && offset > now.Size() {
			_, err = t.file.Seek(0, io.SeekStart) // it was emptied
			return nil, err
		}
		return nil, nil
	}
	return os.Open(t.path)
}

func (t *logTail) drain() error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.file.Read(buffer)
		t.part = append(t.part, buffer[:n]...)
		for {
			line, rest, complete := bytes.Cut(t.part, []byte{'\n'})
			if !complete {
				break
			}
			if err := t.print(line); err != nil {
				return err
			}
			t.part = rest
		}
		t.part = bytes.Clone(t.part)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", t.path, err)
		}
	}
}

// rest prints a last line without an end.
func (t *logTail) rest() error {
	if len(t.part) == 0 {
		return nil
	}
	return t.print(t.part)
}

func (t *logTail) print(line []byte) error {
	if l, ok := t.parse(line); ok {
		return t.tell(l)
	}
	return nil
}

func (t *logTail) tell(l events.LogLine) error {
	return t.p.line(events.LogAddress{Entity: events.Entity(t.name)}, l, false)
}

// parse reads a line of the file, and reports whether it is one that was asked
// for. One that does not say when it was written belongs to the one before.
func (t *logTail) parse(line []byte) (events.LogLine, bool) {
	text := string(bytes.TrimSuffix(line, []byte{'\r'}))
	e := logline.Parse(logline.Auto, text)
	if stamp, rest, ok := strings.Cut(text, " "); ok && !e.Time.IsZero() && e.Level == "" && strings.HasSuffix(stamp, "Z") {
		e.Level = logline.Level(logline.Auto, rest) // what follows the time of logging.timestamps
	}
	if !e.Time.IsZero() {
		t.time = e.Time
	}
	l := events.LogLine{Time: e.Time, Level: e.Level}
	if utf8.ValidString(text) {
		l.Text = text
	} else {
		l.Raw = []byte(text)
	}
	switch bounded := !t.p.since.IsZero() || !t.p.until.IsZero(); {
	case bounded && t.time.IsZero():
		if !t.untimed {
			t.untimed = true
			t.c.note(fmt.Sprintf("the first lines of %s have no times: --since and --until are not applied to them", t.path))
		}
	case t.time.Before(t.p.since) || !t.p.until.IsZero() && t.time.After(t.p.until):
		return l, false
	}
	return l, t.p.match(events.LogAddress{}, l)
}
