package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"core.internal/shared/cli/render"
)

// progressFlag is how a launcher in the background tells the one in the
// foreground how far it is.
const progressFlag = "progress-fd"

// message is one line between the two.
type message struct {
	Event *StageEvent `json:"event,omitempty"`
	Up    *Summary    `json:"up,omitempty"`
	Error string      `json:"error,omitempty"`
}

// detach starts a launcher in the background and returns when its node is up.
func (c *call) detach(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start a launcher in the background: %w", err)
	}
	logs := c.node.Layout().Logs()
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return &Problem{Err: fmt.Errorf("make the directory of log files: %w", err), Fix: "choose a directory that you may write to with --root"}
	}
	output, err := os.OpenFile(filepath.Join(logs, "launcher.out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the launcher's output: %w", err)
	}
	defer output.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start a launcher in the background: %w", err)
	}
	defer read.Close()
	// Not CommandContext: the launcher outlives this process.
	cmd := exec.Command(program, append(c.launcherArgs(), fmt.Sprintf("--%s=3", progressFlag))...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = c.environ, output, output, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("start a launcher in the background: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	up, failure := c.attend(read)
	if up {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ErrInterrupted
	case failure != "":
		return errors.New(failure)
	}
	return &Problem{Err: fmt.Errorf("the launcher in the background ended: %w", err), Fix: "see " + output.Name()}
}

// attend shows what the launcher in the background tells, until its node is up
// or it ended.
func (c *call) attend(r io.Reader) (up bool, failure string) {
	show := render.NewBoot(c.err)
	defer show.Close()
	d := json.NewDecoder(r)
	for {
		var m message
		if err := d.Decode(&m); err != nil {
			return false, failure
		}
		switch {
		case m.Event != nil:
			show.Show(*m.Event)
		case m.Error != "":
			failure = m.Error
		case m.Up != nil:
			_ = c.out.Print(summaryLines(c.out, *m.Up)...)
			return true, ""
		}
	}
}

// upFor is up for a launcher in the foreground that waits at the other end of a
// pipe, and shows events on standard error after it is gone.
func (c *call) upFor(ctx context.Context, fd int) error {
	pipe := os.NewFile(uintptr(fd), "progress")
	if pipe == nil {
		return c.usageError(fmt.Errorf("--%s=%d: it is not open", progressFlag, fd))
	}
	defer pipe.Close()
	show := render.NewBoot(c.err)
	var mu sync.Mutex
	telling := true // guarded by mu
	tell := func(m message) {
		mu.Lock()
		defer mu.Unlock()
		// Whoever waits may have gone; the node does not depend on it.
		if telling = telling && json.NewEncoder(pipe).Encode(m) == nil; telling && m.Up != nil {
			telling = false
			pipe.Close()
		}
	}
	err := c.app.Up(ctx, Boot{
		Config: c.node, Environ: c.environ,
		Progress: func(e StageEvent) {
			show.Show(e)
			tell(message{Event: &e})
		},
		Up: func(s Summary) { tell(message{Up: &s}) },
	})
	if err != nil {
		tell(message{Error: err.Error()})
	}
	return err
}
