//go:build linux

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity is a process that no other can be taken for on one boot.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
}

// stat is what /proc/<pid>/stat says.
type stat struct {
	identity
	State   byte
	Parent  int
	Group   int
	Session int
}

// ended reports whether the process is a zombie, or less.
func (s stat) ended() bool { return s.State == 'Z' || s.State == 'X' }

// readStat reads the stat of a process; its error is fs.ErrNotExist where there
// is none.
func readStat(pid int) (stat, error) {
	var buf [1024]byte
	line, err := readStatLine(pid, buf[:])
	if err != nil {
		return stat{}, err
	}
	return parseStat(line)
}

// readStatLine reads the stat of a process into buf; its errors are readStat's.
func readStatLine(pid int, buf []byte) ([]byte, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		var n int
		if n, err = unix.Read(fd, buf); err == nil {
			return buf[:n], nil
		}
	}
	if err == unix.ESRCH {
		err = unix.ENOENT
	}
	return nil, &os.PathError{Op: "read", Path: path, Err: err}
}

// parseStat reads one line of /proc/<pid>/stat, see proc_pid_stat(5). The command
// name in it may have anything, brackets and spaces too.
func parseStat(b []byte) (stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return stat{}, fmt.Errorf("parse a process's stat %q: no command name", b)
	}
	var s stat
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 20 || len(f[0]) != 1 {
		return stat{}, fmt.Errorf("parse a process's stat %q: %d fields after the command, want 20 or more", b, len(f))
	}
	s.State = f[0][0]
	var errs [5]error
	s.PID, errs[0] = strconv.Atoi(strings.TrimSpace(string(b[:open])))
	s.Parent, errs[1] = strconv.Atoi(f[1])
	s.Group, errs[2] = strconv.Atoi(f[2])
	s.Session, errs[3] = strconv.Atoi(f[3])
	s.Start, errs[4] = strconv.ParseUint(f[19], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return stat{}, fmt.Errorf("parse a process's stat %q: %w", b, err)
	}
	return s, nil
}

// host is what identifies processes beside their own numbers.
type host struct {
	boot string
	self identity
}

func readHost() (host, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return host{}, fmt.Errorf("identify this boot: %w: is /proc mounted?", err)
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		return host{}, fmt.Errorf("identify this process: %w", err)
	}
	return host{boot: strings.TrimSpace(string(boot)), self: self.identity}, nil
}

// ticks returns the time since boot as processes' start times count it.
func ticks() uint64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	const perSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	return uint64(t.Sec)*perSecond + uint64(t.Nsec)/(1e9/perSecond)
}

// pin opens a pidfd of a process and makes sure that it is the one meant. The
// error is fs.ErrNotExist where that one is gone, whoever has its pid now.
func pin(id identity) (int, stat, error) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		switch err {
		case unix.ESRCH, unix.EINVAL:
			err = unix.ENOENT
		case unix.ENOSYS:
			err = ErrUnsupported
		}
		return -1, stat{}, fmt.Errorf("open process %d: %w", id.PID, err)
	}
	s, err := readStat(id.PID)
	if err == nil && s.identity != id {
		err = fmt.Errorf("process %d is another one: %w", id.PID, os.ErrNotExist)
	}
	if err != nil {
		unix.Close(fd)
		return -1, stat{}, err
	}
	return fd, s, nil
}
