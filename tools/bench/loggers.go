package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// capturing runs children and brings what they write to files.
type capturing interface {
	start(ctx context.Context, n int, command []string) error
	stop() error
	// files are those of the i-th child, oldest first.
	files(i int) ([]string, error)
}

// logger makes a fresh one in a directory of its own.
type logger struct {
	name string
	make func(dir string) capturing
}

// rotateAt is the size at which all of them rotate, in bytes; none removes a file
// before it has written twenty.
const rotateAt = 10_000_000

// loggers are core and those that are on PATH.
func (b *bench) loggers(launcher string) []logger {
	list := []logger{{"core", func(dir string) capturing { return newCoreLogger(b, launcher, dir) }}}
	for _, p := range []struct {
		name string
		args []string
		conf string
	}{
		{"s6-log", []string{"n20", fmt.Sprintf("s%d", rotateAt)}, ""},
		{"svlogd", nil, fmt.Sprintf("n20\ns%d\n", rotateAt)},
	} {
		if path, err := exec.LookPath(p.name); err == nil {
			list = append(list, logger{p.name, func(dir string) capturing { return &piped{path: path, args: p.args, conf: p.conf, dir: dir} }})
		}
	}
	for _, c := range peers() {
		if c.name == "supervisor" {
			list = append(list, logger{c.name, func(dir string) capturing { return supervisorLogger{c.make(dir).(*peer)} }})
		}
	}
	return list
}

// coreLogger is a whole node: its procd captures.
type coreLogger struct{ *coreNode }

func newCoreLogger(b *bench, launcher, dir string) coreLogger {
	c := &coreNode{b: b, launcher: launcher, dir: filepath.Join(dir, "specs")}
	c.more = func(i int, spec member) {
		spec["logging"] = member{"stdout": filepath.Join(dir, serviceName(i), "log"), "maxSize": rotateAt, "maxFiles": 20}
	}
	return coreLogger{c}
}

func (c coreLogger) start(ctx context.Context, n int, command []string) error {
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return err
	}
	return c.coreNode.start(ctx, n, command)
}

func (c coreLogger) files(i int) ([]string, error) {
	return rotated(filepath.Join(filepath.Dir(c.dir), serviceName(i)), "log", "log.")
}

// piped is a logger at the end of a pipe, one for each child.
type piped struct {
	path, conf string
	args       []string
	dir        string
	processes  []*exec.Cmd // a child, then its logger
}

func (p *piped) start(ctx context.Context, n int, command []string) error {
	for i := range n {
		dir := filepath.Join(p.dir, serviceName(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if p.conf != "" {
			if err := os.WriteFile(filepath.Join(dir, "config"), []byte(p.conf), 0o644); err != nil {
				return err
			}
		}
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		child := exec.CommandContext(ctx, command[0], command[1:]...)
		child.Stdout, child.Stderr = write, os.Stderr
		log := exec.CommandContext(ctx, p.path, append(slices.Clone(p.args), dir)...)
		log.Stdin, log.Stderr = read, os.Stderr
		for _, c := range []*exec.Cmd{child, log} {
			if err = c.Start(); err != nil {
				break
			}
			p.processes = append(p.processes, c)
		}
		read.Close()
		write.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// stop ends the children; the loggers end with their input.
func (p *piped) stop() error {
	var errs error
	for i, c := range p.processes {
		if i%2 == 0 {
			errs = errors.Join(errs, c.Process.Kill())
			c.Wait() // it was killed
		}
	}
	for i, c := range p.processes {
		if i%2 == 1 {
			if err := c.Wait(); err != nil {
				errs = errors.Join(errs, fmt.Errorf("%s: %w", p.path, err))
			}
		}
	}
	return errs
}

func (p *piped) files(i int) ([]string, error) {
	return rotated(filepath.Join(p.dir, serviceName(i)), "current", "@")
}

// supervisorLogger is supervisor, which writes a file for each program.
type supervisorLogger struct{ *peer }

func (s supervisorLogger) files(i int) ([]string, error) {
	name := serviceName(i) + ".log"
	files, err := rotated(s.dir, name, name+".")
	if err == nil && len(files) > 1 { // the higher the number, the older
		slices.Reverse(files[:len(files)-1])
	}
	return files, err
}

// rotated lists the files of a directory that begin with a prefix, by name, and
// then the current one, where it is there.
func rotated(dir, current, prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing was written yet
	}
	if err != nil {
		return nil, err
	}
	var files []string
	there := false
	for _, e := range entries {
		switch {
		case e.Name() == current:
			there = true
		case strings.HasPrefix(e.Name(), prefix):
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if there {
		files = append(files, filepath.Join(dir, current))
	}
	return files, nil
}
