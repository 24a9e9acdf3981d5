package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"core.internal/shared/events"
)

// fileLogs prints the log file of a service or daemon.
func (c *call) fileLogs(ctx context.Context, name string) error {
	path := c.node.Layout().Log(name)
	f, err := os.Open(path)
	if err != nil {
		return &Problem{Err: fmt.Errorf("read the log of %s: %w", name, err), Fix: "it writes one when it runs; --root and --node name another node"}
	}
	t := &logTail{c: c, name: name, path: path, file: f}
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
	name, path string
	file       *os.File
	part       []byte // a line without its end
}

// begin prints what is there, the last lines of it where tail is not 0.
func (t *logTail) begin(tail int) error {
	if tail == 0 {
		return t.read()
	}
	var last [][]byte
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
		if last = append(last, line); len(last) > tail {
			last = last[1:]
		}
	}
	for _, line := range last {
		if err := t.print(line[:len(line)-1]); err != nil {
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
	if t.c.text(outputFlag) == "jsonl" {
		return json.NewEncoder(t.c.out).Encode(logRecord{Entity: events.Entity(t.name), Text: string(line)})
	}
	_, err := t.c.out.Write(append(bytes.Clone(line), '\n'))
	return err
}
