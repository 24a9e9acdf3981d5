package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"core.internal/shared/pipeline"
)

// Command is one external command.
type Command struct {
	Name string // looked up on PATH unless it has a slash
	Args []string
	Dir  string
	// Env is added to the daemon's own environment, as KEY=value.
	Env []string
	// StopTimeout is how long the command may take to end when it is asked to;
	// 5 s if 0.
	StopTimeout time.Duration
}

// markVariable has the step's mark in the environment of its commands.
const markVariable = "CORE_STEP"

const (
	defaultStopTimeout = 5 * time.Second
	// drain bounds the wait for output of processes that have left the group.
	drain = time.Second
)

// Run carries out a command whose output is the step's log.
func Run(ctx context.Context, j pipeline.Job, c Command) error {
	return c.run(ctx, j, j.Log)
}

// Output carries out a command and returns what it wrote to its standard
// output; its standard error is the step's log.
func Output(ctx context.Context, j pipeline.Job, c Command) ([]byte, error) {
	var out bytes.Buffer
	err := c.run(ctx, j, &out)
	return out.Bytes(), err
}

// String is the command as a person would type it.
func (c Command) String() string {
	return strings.Join(append([]string{filepath.Base(c.Name)}, c.Args...), " ")
}

func (c Command) run(ctx context.Context, j pipeline.Job, stdout io.Writer) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", c, context.Cause(ctx))
	}
	cmd := exec.Command(c.Name, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(append(os.Environ(), c.Env...), markVariable+"="+j.Mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	outputs := []*output{{to: stdout}, {to: j.Log}}
	defer func() {
		for _, o := range outputs {
			o.close()
		}
	}()
	for i, target := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		w, err := outputs[i].open()
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		*target = w
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("%s: %w: install %s or add its directory to PATH", c, err, c.Name)
		}
		return fmt.Errorf("start %s: %w", c, err)
	}
	for _, o := range outputs {
		o.start()
	}
	err := c.wait(ctx, cmd)
	for _, o := range outputs {
		o.drain()
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", c, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// wait returns when the command has exited and its group is gone. It asks the
// group to end when ctx does.
func (c Command) wait(ctx context.Context, cmd *exec.Cmd) error {
	group := cmd.Process.Pid
	exited := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-exited:
			return
		case <-ctx.Done():
		}
		signal(group, syscall.SIGTERM)
		timeout := c.StopTimeout
		if timeout == 0 {
			timeout = defaultStopTimeout
		}
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-exited:
		case <-timer.C:
			signal(group, syscall.SIGKILL)
		}
	}()
	return reap(cmd, func() {
		close(exited)
		<-stopped
		signal(group, syscall.SIGKILL)
	})
}

// signal tells every process of a group; there may be none.
func signal(group int, s syscall.Signal) { _ = syscall.Kill(-group, s) }

// output takes one of a command's output streams to a writer.
type output struct {
	to   io.Writer
	r, w *os.File
	done chan struct{}
}

func (o *output) open() (*os.File, error) {
	var err error
	o.r, o.w, err = os.Pipe()
	return o.w, err
}

// start begins to copy; the command has the writing end now.
func (o *output) start() {
	o.w.Close()
	o.done = make(chan struct{})
	go func() {
		defer close(o.done)
		_, _ = io.Copy(o.to, o.r)
	}()
}

// drain waits for the last output, but not for processes that have left the
// group and hold the pipe open.
func (o *output) drain() {
	_ = o.r.SetReadDeadline(time.Now().Add(drain))
	<-o.done
}

func (o *output) close() {
	if o.r != nil {
		o.r.Close()
		o.w.Close()
	}
}
