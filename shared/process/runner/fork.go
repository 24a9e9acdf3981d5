//go:build linux

package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
)

// started is what a fork gave.
type started struct {
	pid, fd int // fd: a pidfd
	// became waits until the program is the command's; nil where it is at once.
	became func() error
}

// fork starts the process of a command, in the control group whose directory is
// open as group; -1 for none.
func (r *Runner) fork(c process.Command, files []uintptr, group int) (started, error) {
	s := started{fd: -1}
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: environ(c), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &s.fd},
	}
	if group >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, group
	}
	path, args := c.Path, append([]string{c.Path}, c.Args...)
	var fault, far *os.File
	if c.Attributes.Wrapped() {
		if len(r.o.Wrapper) == 0 {
			return s, errors.New("its attributes need a wrapper, which this supervisor has not")
		}
		memory, err := planFile(plan{Path: path, Args: args, Env: attr.Env, Dir: c.Dir, Attributes: c.Attributes})
		if err != nil {
			return s, err
		}
		defer memory.Close()
		if fault, far, err = os.Pipe(); err != nil {
			return s, err
		}
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
	if err != nil {
		if fault != nil {
			fault.Close()
		}
		return s, err
	}
	s.pid = pid
	if fault != nil {
		s.became = func() error { return read(fault) }
	}
	return s, nil
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

// read waits for the end of a wrapper's pipe, which its exec closes.
func read(from *os.File) error {
	defer from.Close()
	b, err := io.ReadAll(io.LimitReader(from, 1<<16))
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
