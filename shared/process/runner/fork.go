//go:build linux

package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
)

// started is what a fork gave.
type started struct {
	pid, fd int // fd: a pidfd
	// fault tells what the wrapper could not do and ends with its exec, see
	// awaitExec; nil where the program is the command's at once. It is to be closed.
	fault *os.File
}

// fork starts the process of a command, in the control group whose directory is
// open as group; -1 for none.
func (r *Runner) fork(ctx context.Context, c process.Command, group int) (s started, err error) {
	if c.Attributes.Wrapped() { // and a wrapper may wait
		return r.forkHere(c, group, true)
	}
	if err := r.reach(ctx, c, execPatience); err != nil {
		return started{fd: -1}, err
	}
	n := r.o.Nursery
	if n == nil || group >= 0 {
		return r.forkHere(c, group, true)
	}
	n.do(func() { s, err = r.forkHere(c, group, false) })
	if err != nil {
		return s, err
	}
	// Nobody has reaped it: the number is its own.
	s.fd, err = unix.PidfdOpen(s.pid, 0)
	switch {
	case err == unix.ENOSYS:
		s.fd, err = -1, nil // as from a fork
	case err != nil:
		r.undo(c, s.pid, err)
	}
	return s, err
}

// reach makes sure that a fork does not wait for a file system, and all of this process
// with it.
func (r *Runner) reach(ctx context.Context, c process.Command, patience time.Duration) error {
	asking, done := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer done()
	if r.files.Answer(asking, c.Dir, c.Path) != nil {
		return &stuckError{context.Cause(asking)}
	}
	return nil
}

// forkHere is fork from this thread; the pidfd, if it is asked for, is in its table.
func (r *Runner) forkHere(c process.Command, group int, pidfd bool) (started, error) {
	s := started{fd: -1}
	files, done, err := r.standard(c)
	defer done()
	if err != nil {
		return s, err
	}
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: environ(c), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	if pidfd {
		attr.Sys.PidFD = &s.fd
	}
	if group >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, group
	}
	path, args := c.Path, append([]string{c.Path}, c.Args...)
	if c.Attributes.Wrapped() {
		if len(r.o.Wrapper) == 0 {
			return s, errors.New("its attributes need a wrapper, which this supervisor has not")
		}
		memory, err := planFile(plan{Path: path, Args: args, Env: attr.Env, Dir: c.Dir, Attributes: c.Attributes})
		if err != nil {
			return s, err
		}
		defer memory.Close()
		fault, far, err := os.Pipe()
		if err != nil {
			return s, err
		}
		s.fault = fault
		defer far.Close()
		// The variable by which an instance is found is there from the beginning;
		// the others are not this program's.
		path, args = "/proc/self/exe", append([]string{"procd"}, r.o.Wrapper...)
		attr.Dir, attr.Env = "", attr.Env[:1]
		attr.Files = append(attr.Files, far.Fd(), memory.Fd())
	} else if a := c.Attributes.Account; a != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups, NoSetGroups: a.KeepGroups}
	}
	r.forks <- struct{}{}
	pid, _, err := syscall.StartProcess(path, args, attr)
	<-r.forks
	s.pid = pid
	if err != nil && s.fault != nil {
		s.fault.Close()
	}
	return s, err
}

// planFile is a plan as a file without a name.
func planFile(p plan) (*os.File, error) {
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make the plan of a process: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	b, err := json.Marshal(p)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write the plan of a process: %w", err)
	}
	return f, nil
}

// execPatience is how long a process has to become its command. What takes long is
// a file system that does not answer.
const execPatience = 30 * time.Second

// stuckError is of a process that cannot become its command, and nobody says why.
type stuckError struct{ error }

func (e *stuckError) Error() string {
	return "no answer came from process.workingDir, or from the command's file: " + e.error.Error()
}
func (e *stuckError) Unwrap() error { return e.error }

// awaitExec waits for the end of a wrapper's pipe, which its exec closes, until ctx
// ends, and for patience at most.
func awaitExec(ctx context.Context, from *os.File, patience time.Duration) error {
	if err := from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("wait for a wrapper: %w", err)
	}
	// It may find the file closed.
	defer context.AfterFunc(ctx, func() { _ = from.SetReadDeadline(time.Unix(0, 1)) })()
	b, err := io.ReadAll(io.LimitReader(from, 1<<16))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if ctx.Err() != nil {
			return &stuckError{context.Cause(ctx)}
		}
		return &stuckError{fmt.Errorf("not within %v", patience)}
	}
	if err != nil || len(b) == 0 {
		return err
	}
	var f fault
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("the wrapper of a process said %q", b)
	}
	if f.Field == "" {
		return f.Errno
	}
	return &attributeError{f}
}
