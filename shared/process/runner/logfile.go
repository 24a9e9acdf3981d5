//go:build linux

package runner

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
)

// errEmpty says that a FIFO has no bytes now; io.EOF that nobody can write to it.
var errEmpty = errors.New("nothing to read")

// logfile is a rotated log file. The streams of a process, or of several, may
// share one.
type logfile struct {
	path string // empty: bytes are only looked at
	keep
	r *Runner

	users int // guarded by Runner.mu

	mu      sync.Mutex
	f       *os.File  // guarded by mu; nil if it could not be opened for want of space
	used    int64     // guarded by mu: where the next byte goes
	bol     bool      // guarded by mu: the next byte begins a line
	plain   bool      // guarded by mu: no splice, read and write
	regular bool      // guarded by mu
	checked time.Time // guarded by mu: when the path was last compared with f
	failed  int64     // guarded by mu: bytes lost since writing last worked
}

// keep says what is kept of a log.
type keep struct {
	size   int64            // at which a file is rotated; never if not positive
	files  int              // rotated ones; any number if 0
	age    time.Duration    // of rotated ones; any if 0
	stamps bool             // each line has the time before it
	owner  *process.Account // who may read and write it too; nil: nobody else
}

func openLogfile(path string, k keep, r *Runner) (*logfile, error) {
	l := &logfile{path: path, keep: k, r: r, plain: true}
	if path == "" {
		return l, nil
	}
	if err := l.open(); err != nil && !full(err) {
		return nil, err
	}
	l.checked = r.o.Now()
	return l, nil
}

// full reports whether an error may pass when there is space again.
func full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

func (l *logfile) open() error {
	flags := os.O_RDWR | os.O_CREATE
	if l.owner != nil {
		flags |= unix.O_NOFOLLOW // whoever owns it must not choose another
	}
	f, err := os.OpenFile(l.path, flags, 0o640)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(l.path), 0o755); err == nil {
			f, err = os.OpenFile(l.path, flags, 0o640)
		}
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	if info.Mode().IsRegular() {
		if err := own(f, l.owner); err != nil {
			f.Close()
			return err
		}
	}
	l.f, l.used, l.bol = f, info.Size(), true
	l.regular = info.Mode().IsRegular()
	l.plain = !l.regular
	if last := make([]byte, 1); l.regular && l.used > 0 {
		_, err := f.ReadAt(last, l.used-1)
		l.bol = err != nil || last[0] == '\n'
	}
	return nil
}

// own gives a file that the runner made to the account of its process.
func own(f *os.File, to *process.Account) error {
	var s unix.Stat_t
	if to == nil || os.Geteuid() != 0 || unix.Fstat(int(f.Fd()), &s) == nil && s.Uid == to.UID && s.Gid == to.GID {
		return nil
	}
	return f.Chown(int(to.UID), int(to.GID))
}

func (l *logfile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFile()
}

func (l *logfile) closeFile() {
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// take moves what a FIFO has, at most len(buf) bytes, to the file and into buf.
func (l *logfile) take(fifo int, buf []byte, now time.Time) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.check(now)
	limit, err := l.room(fifo, buf, now)
	if err != nil {
		return 0, err
	}
	switch {
	case l.stamps && l.path != "" && l.f != nil:
		return l.stamp(fifo, buf[:limit], now)
	case l.f == nil || l.plain:
		return l.copy(fifo, buf[:limit])
	}
	n, err := l.splice(fifo, limit)
	switch {
	case err == unix.EAGAIN:
		return 0, errEmpty
	case err == unix.EINVAL:
		l.plain = true // not on this file system
		return l.copy(fifo, buf[:limit])
	case err != nil:
		return l.copy(fifo, buf[:limit]) // which tries once more, and counts
	case n == 0:
		return 0, io.EOF
	}
	m, err := l.f.ReadAt(buf[:n], l.used)
	l.used += int64(n)
	if err != nil && err != io.EOF {
		l.r.o.Log.Warn("read back a log file", "file", l.path, "err", err)
	}
	l.wrote(buf[:m])
	return m, nil
}

func (l *logfile) splice(fifo, limit int) (int, error) {
	for {
		off := l.used
		n, err := unix.Splice(fifo, nil, int(l.f.Fd()), &off, limit, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}

// copy is take for files that splice cannot write to, and for those that nothing
// can write to now: then the bytes are lost to the file.
func (l *logfile) copy(fifo int, buf []byte) (int, error) {
	n, err := readFIFO(fifo, buf)
	if err != nil || l.path == "" {
		return n, err
	}
	l.put(buf[:n])
	return n, nil
}

// readFIFO takes what a FIFO has; errEmpty and io.EOF say that it has nothing.
func readFIFO(fifo int, buf []byte) (int, error) {
	n, err := unix.Read(fifo, buf)
	for err == unix.EINTR {
		n, err = unix.Read(fifo, buf)
	}
	switch {
	case err == unix.EAGAIN:
		return 0, errEmpty
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// put writes bytes; those that cannot be written are lost to the file.
func (l *logfile) put(b []byte) {
	var w int
	var err error
	if l.f == nil {
		err = l.open()
	}
	if err == nil {
		w, err = l.write(b)
	}
	l.used += int64(w)
	if err != nil {
		l.lose(int64(len(b)-w), err)
		return
	}
	l.wrote(b)
}

// stamp is take for a file with times. What was written is taken from the FIFO
// afterwards, so that a runner which is killed in between loses nothing; the next
// one writes it again.
func (l *logfile) stamp(fifo int, buf []byte, now time.Time) (int, error) {
	n, err := peek(fifo, buf)
	switch {
	case err == errEmpty || err == io.EOF:
		return 0, err
	case err != nil: // no pipe to be had
		return l.copy(fifo, buf)
	}
	out := stamped(buf[:n], l.bol, now)
	w, err := l.write(out)
	l.used += int64(w)
	if err != nil {
		l.lose(int64(len(out)-w), err)
	} else {
		l.wrote(out)
	}
	for done := 0; done < n; {
		m, err := unix.Read(fifo, buf[done:n])
		if err == unix.EINTR {
			continue
		}
		if err != nil || m == 0 {
			return done, err
		}
		done += m
	}
	return n, nil
}

func (l *logfile) write(b []byte) (int, error) {
	if l.regular {
		return l.f.WriteAt(b, l.used)
	}
	return l.f.Write(b)
}

// wrote notes that writing works.
func (l *logfile) wrote(b []byte) {
	if len(b) > 0 {
		l.bol = b[len(b)-1] == '\n'
	}
	if l.failed > 0 {
		l.r.o.Log.Warn("writing a log file works again", "file", l.path, "lost_bytes", l.failed)
		l.failed = 0
	}
}

func (l *logfile) lose(n int64, err error) {
	if l.failed == 0 {
		l.r.o.Log.Error("write a log file: output is lost, make space or correct the file", "file", l.path, "err", err)
	}
	l.failed += n
	l.r.lost.Add(n)
}

// check reopens the file, at most once a second, where somebody moved it away or
// removed it, and follows where somebody cut it.
func (l *logfile) check(now time.Time) {
	if d := now.Sub(l.checked); l.f == nil || !l.regular || d >= 0 && d < time.Second {
		return
	}
	l.checked = now
	var there, have unix.Stat_t
	if unix.Fstat(int(l.f.Fd()), &have) != nil {
		return
	}
	err := unix.Stat(l.path, &there)
	if err == unix.ENOENT || err == nil && (there.Ino != have.Ino || there.Dev != have.Dev) {
		l.reopen()
		return
	}
	if have.Size < l.used {
		l.used, l.bol = have.Size, true
	}
}

func (l *logfile) reopen() {
	l.closeFile()
	if err := l.open(); err != nil {
		l.lose(0, err)
	}
}

const (
	stamp = "20060102T150405.000000000Z"
	// overshoot is how far beyond its size a file may grow to end with a line.
	overshoot = 1 << 20
)

// room returns how many bytes may go into the present file, at most len(buf);
// it rotates first where that is due.
func (l *logfile) room(fifo int, buf []byte, now time.Time) (int, error) {
	if l.size <= 0 || !l.regular || l.f == nil || l.used+int64(len(buf)) <= l.size {
		return len(buf), nil
	}
	n, err := peek(fifo, buf)
	switch {
	case err == errEmpty || err == io.EOF:
		return 0, err
	case err != nil: // no pipe to be had: the file grows a little
		return len(buf), nil
	case l.used+int64(n) <= l.size:
		return n, nil
	}
	if fits := l.size - l.used; fits > 0 {
		if i := bytes.LastIndexByte(buf[:fits], '\n'); i >= 0 {
			return i + 1, nil
		}
	}
	if l.bol || l.used >= l.size+overshoot {
		if l.used > 0 {
			l.rotate(now)
		}
		return n, nil
	}
	if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
		return i + 1, nil
	}
	return n, nil
}

// peek copies what a FIFO has into buf and leaves it there.
func peek(fifo int, buf []byte) (int, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	n, err := unix.Tee(fifo, p[1], len(buf), unix.SPLICE_F_NONBLOCK)
	switch {
	case err == unix.EAGAIN:
		return 0, errEmpty
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return unix.Read(p[0], buf[:n])
}

// end is where the next byte goes.
func (l *logfile) end() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}
