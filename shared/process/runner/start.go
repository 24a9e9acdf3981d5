//go:build linux

package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// Start implements [process.Runner]. Its error is a [*StartError]; then nothing of
// the process is left. One instance of an id runs at a time.
func (r *Runner) Start(ctx context.Context, c process.Command) (process.Process, error) {
	fail := func(path string, err error, fix string) (process.Process, error) {
		return nil, &StartError{ID: c.ID, Path: path, Err: err, Fix: fix}
	}
	if err := ctx.Err(); err != nil {
		return fail(c.Path, err, "")
	}
	for _, token := range []string{c.ID, c.Instance} {
		if err := events.CheckToken(token); err != nil {
			return fail(c.Path, err, "")
		}
	}
	if !filepath.IsAbs(c.Path) {
		return fail(c.Path, errors.New("the executable's path is not absolute"), "resolve the command before it is started")
	}
	h, err := r.host()
	if err != nil {
		return fail(c.Path, err, "")
	}
	id := recordID(c)
	if err := r.reserve(id); err != nil {
		return fail(c.Path, err, "")
	}
	p, err := newProc(r, record{
		Version: recordVersion, Boot: h.boot, Ticks: ticks(), By: h.self,
		ID: id, Instance: c.Instance, Digest: Digest(c), Path: c.Path,
		Stdout: c.Stdout, Stderr: c.Stderr, Retention: c.Retention,
		Signal:  int(cmp.Or(c.StopSignal, syscall.SIGTERM)),
		Timeout: cmp.Or(c.StopTimeout, 10*time.Second), Note: c.Note, Output: c.Output, Hook: c.Hook,
	})
	if err != nil {
		r.release(id)
		return fail(c.Path, err, "")
	}
	if a := c.Attributes.Account; a != nil {
		p.rec.UID, p.rec.GID = &a.UID, &a.GID
	}
	err = p.start(ctx, c)
	if err == nil {
		if err = r.publish(p); err != nil {
			p.signal(unix.SIGKILL)
			unix.Wait4(p.identity.PID, nil, 0, nil)
			err = &StartError{ID: c.ID, Path: c.Path, Err: err, Fix: "raise fs.epoll.max_user_watches"}
		}
	}
	if err != nil {
		p.close()
		p.dissolve()
		if err := r.discard(id); err != nil {
			r.o.Log.Warn("remove what a failed start made", "err", err)
		}
		r.release(id)
		var already *StartError
		if errors.As(err, &already) {
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				already.Fix = raiseFiles
			}
			return nil, already
		}
		return nil, diagnose(c, err)
	}
	return p, nil
}

// raiseFiles cures what fails for want of files, whatever it was.
const raiseFiles = "raise the limit of open files"

// start does everything up to the running process.
func (p *proc) start(ctx context.Context, c process.Command) error {
	dir := p.r.o.Dir
	if err := p.openLogs(); err != nil {
		return &StartError{ID: c.ID, Path: pathOf(err, c.Stdout), Err: cause(err), Fix: "make the log file writable"}
	}
	p.rec.Offset = p.logs[0].end()
	if len(p.logs) > 1 {
		p.rec.ErrOffset = p.logs[1].end()
	}
	for i, name := range []string{Stdout, Stderr} {
		path := fifoPath(dir, p.rec.ID, name)
		if err := makeFIFO(path); err != nil {
			return &StartError{ID: c.ID, Path: path, Err: err, Fix: "make the directory writable"}
		}
		s, err := p.openStream(name, p.logs[min(i, len(p.logs)-1)])
		if err != nil {
			return err
		}
		p.streams = append(p.streams, s)
	}
	group, err := p.join(c)
	if err != nil {
		return err
	}
	if group >= 0 {
		defer unix.Close(group)
	}
	journal, err := p.rec.begin(dir)
	if err != nil {
		return &StartError{ID: c.ID, Path: recordPath(dir, p.rec.ID), Err: cause(err), Fix: "make the directory writable"}
	}
	defer journal.Close()
	f, err := p.r.fork(ctx, c, group)
	if err != nil {
		return err
	}
	if f.fault != nil {
		defer f.fault.Close()
	}
	p.hold(f.fd)
	st, err := readStat(f.pid)
	if err == nil && f.fd < 0 {
		err = ErrUnsupported
	}
	if err == nil {
		p.identity = st.identity
		err = put(journal, entry{Started: &p.identity})
	}
	if err != nil {
		err = &StartError{ID: c.ID, Path: recordPath(dir, p.rec.ID), Err: cause(err), Fix: "it was ended again: without a record it could not be found again"}
	} else if f.fault != nil {
		err = awaitExec(ctx, f.fault, execPatience)
	}
	if err != nil {
		p.r.undo(c, f.pid, err)
	}
	return err
}

// undo ends a process that was forked for a command and cannot be its service's. It is
// our child and not reaped: the pid is its own.
func (r *Runner) undo(c process.Command, pid int, why error) {
	unix.Kill(pid, unix.SIGKILL)
	if !reaped(pid, killPatience) {
		r.o.Log.Warn("a process that was to become a service's got no answer from the kernel and ends when it does", "id", c.ID, "pid", pid, "err", why)
	}
}

// standard opens the standard files of a command's process, to be closed by done.
func (r *Runner) standard(c process.Command) (files []uintptr, done func(), err error) {
	done = func() {
		for _, fd := range files {
			unix.Close(int(fd))
		}
	}
	open := func(path string, how int) error {
		fd, err := unix.Open(path, how|unix.O_CLOEXEC, 0)
		if err != nil {
			return &StartError{ID: c.ID, Path: path, Err: err}
		}
		files = append(files, uintptr(fd))
		return nil
	}
	err = open(os.DevNull, unix.O_RDONLY)
	for _, name := range []string{Stdout, Stderr} {
		path := fifoPath(r.o.Dir, recordID(c), name)
		if err == nil {
			err = open(path, unix.O_RDWR) // for reading too: the child never meets a pipe without a reader
		}
		if err == nil {
			if oerr := ownFIFO(int(files[len(files)-1]), c.Attributes.Account); oerr != nil {
				err = &StartError{ID: c.ID, Path: path, Err: oerr}
			}
		}
	}
	return files, done, err
}

// killPatience is how long the end of a child that was killed before it was a
// service's may take.
const killPatience = 2 * time.Second

// reaped waits for the end of a child, and reports whether it came in time. Where it
// waits for a device or a mount that does not answer, a kill has to wait as well; then
// it is reaped whenever it ends, by a goroutine that nothing can end sooner.
func reaped(pid int, patience time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
				return
			}
		}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// ownFIFO lets the account of a process open its output again, as /dev/stdout.
func ownFIFO(fd int, a *process.Account) error {
	if os.Geteuid() != 0 {
		return nil // it is that account
	}
	uid, gid := 0, os.Getegid()
	if a != nil {
		uid, gid = int(a.UID), int(a.GID)
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || int(s.Uid) == uid && int(s.Gid) == gid {
		return err
	}
	return unix.Fchown(fd, uid, gid)
}

func makeFIFO(path string) error {
	err := unix.Mkfifo(path, 0o600)
	if err == unix.ENOENT {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return cause(err)
		}
		err = unix.Mkfifo(path, 0o600)
	}
	var there unix.Stat_t
	if err == unix.EEXIST && unix.Lstat(path, &there) == nil {
		if there.Mode&unix.S_IFMT == unix.S_IFIFO {
			return nil
		}
		err = errors.New("the file is in the way and is no FIFO")
	}
	return err
}

// environ is a command's environment with its instance, which comes first: a scan
// finds it at once.
func environ(c process.Command) []string {
	env := append(make([]string, 0, len(c.Env)+1), instanceVar+"="+c.Instance)
	env = append(env, c.Env...)
	return append(env[:1], slices.DeleteFunc(env[1:], func(v string) bool {
		return strings.HasPrefix(v, instanceVar+"=")
	})...)
}

// diagnose finds out what an error of fork or exec was about: neither says.
func diagnose(c process.Command, err error) *StartError {
	e := &StartError{ID: c.ID, Path: c.Path, Err: err}
	var stuck *stuckError
	if errors.As(err, &stuck) { // nor would what follows get one
		e.Path, e.Fix = cmp.Or(c.Dir, c.Path), "see whether the mount it is on works, and start it again"
		return e
	}
	var attribute *attributeError
	if errors.As(err, &attribute) {
		e.Fix = attribute.Fix
		return e
	}
	if c.Dir != "" {
		switch info, statErr := os.Stat(c.Dir); {
		case errors.Is(statErr, fs.ErrNotExist):
			e.Path, e.Err, e.Fix = c.Dir, errors.New("the working directory does not exist"), "make it, or correct process.workingDir"
			return e
		case statErr != nil:
			e.Path, e.Err, e.Fix = c.Dir, cause(statErr), "correct process.workingDir"
			return e
		case !info.IsDir():
			e.Path, e.Err, e.Fix = c.Dir, errors.New("the working directory is not a directory"), "correct process.workingDir"
			return e
		case unix.Access(c.Dir, unix.X_OK) != nil:
			e.Path, e.Err, e.Fix = c.Dir, errors.New("no permission to enter the working directory"), "correct its permissions, or process.workingDir"
			return e
		}
	}
	info, statErr := os.Stat(c.Path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		e.Err, e.Fix = errors.New("the executable does not exist"), "install it, or correct process.command"
	case statErr != nil:
		e.Err, e.Fix = cause(statErr), "correct process.command"
	case info.IsDir():
		e.Err, e.Fix = errors.New("it is a directory, not an executable"), "correct process.command"
	case !info.Mode().IsRegular():
		e.Err, e.Fix = errors.New("it is no regular file"), "correct process.command"
	case info.Mode()&0o111 == 0:
		e.Err, e.Fix = errors.New("the file is not executable"), "chmod +x it, or correct process.command"
	case errors.Is(err, unix.ENOENT):
		e.Err, e.Fix = fmt.Errorf("its interpreter %sdoes not exist", interpreter(c.Path)), "install the interpreter, or correct the file"
	case errors.Is(err, unix.ENOEXEC):
		e.Err, e.Fix = errors.New("it is no program for this machine, nor a script with a #! line"), "install the build for this platform"
	case errors.Is(err, unix.E2BIG):
		e.Fix = "shorten process.args or process.env"
	case errors.Is(err, unix.EAGAIN) && c.Attributes.Limits != nil && c.Attributes.Limits.Processes != nil:
		e.Fix = "its user has more processes already: raise process.limits.processes"
	case errors.Is(err, unix.EAGAIN):
		e.Fix = "raise the limit of processes of this user"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		e.Fix = raiseFiles
	case errors.Is(err, unix.EACCES) && c.Attributes.Account != nil:
		e.Fix = fmt.Sprintf("let user %d execute the file and enter the directories above it and process.workingDir", c.Attributes.Account.UID)
	case errors.Is(err, unix.EPERM) && c.Attributes.Account != nil:
		e.Fix = "process.user and process.group need a node that runs as root, or as that user"
	case errors.Is(err, unix.EACCES):
		e.Fix = "correct the permissions of the file and of its directories"
	}
	return e
}

// interpreter returns the interpreter of a script's first line and a space.
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 256))
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	if name, ok := bytes.CutPrefix(line, []byte("#!")); ok {
		return strings.TrimSpace(string(name)) + " "
	}
	return "(a dynamic loader) "
}

// cause and pathOf take apart what package os returns.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func pathOf(err error, otherwise string) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Path
	}
	return otherwise
}
