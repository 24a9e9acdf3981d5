//go:build linux

package runner

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Nursery is a thread that has a table of open files of its own, from which
// processes are forked. A fork copies the table of the thread that calls it and the
// exec closes one by one what is in it: of a runner with a thousand processes, each
// with four files, that took as long as everything else about a start. What a call
// opens is the nursery's alone, as what others open is theirs; see clone(2),
// CLONE_FILES, and unshare(2). It may serve several runners.
type Nursery struct {
	calls chan func()
	ended chan struct{}
}

// NewNursery starts the thread, which [Nursery.End] ends. It is for the begin of a
// program: what is open then is copied and closed again, and for that moment a port or a
// lock that others give up is still held.
func NewNursery() (*Nursery, error) {
	n := &Nursery{calls: make(chan func()), ended: make(chan struct{})}
	began := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			n.run(began)
			return
		}
		// Not the main thread: its files are what /proc shows as the process's.
		other := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(other)
			n.run(began)
		}()
		<-other
		runtime.UnlockOSThread()
	}()
	if err := <-began; err != nil {
		<-n.ended
		return nil, fmt.Errorf("make a thread to fork from: %w", err)
	}
	return n, nil
}

// run is called with its thread locked, and never unlocks it: the thread ends with the
// goroutine.
func (n *Nursery) run(began chan<- error) {
	defer close(n.ended)
	err := unshareFiles()
	began <- err
	if err != nil {
		return
	}
	for f := range n.calls {
		f()
	}
}

// do runs f in the nursery. f opens and closes files by system calls alone: what
// package os opens is the business of the runtime's poller, on all threads.
func (n *Nursery) do(f func()) {
	done := make(chan struct{})
	n.calls <- func() { defer close(done); f() }
	<-done
}

// End ends the thread. No runner that was given it runs any more.
func (n *Nursery) End() {
	close(n.calls)
	<-n.ended
}

// unshareFiles gives this thread a table of its own, with what every thread of the
// runtime needs: the standard files and those of its poller, which it may wake up.
func unshareFiles() error {
	r, w, err := os.Pipe() // from then on there is a poller
	if err != nil {
		return err
	}
	r.Close()
	w.Close()
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return err
	}
	const own = "/proc/thread-self/fd"
	dir, err := unix.Open(own, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var names []string
	for buf := make([]byte, 8<<10); ; {
		size, err := unix.ReadDirent(dir, buf)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:size], -1, names)
	}
	target := make([]byte, 64)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= 2 || fd == dir {
			continue
		}
		size, err := unix.Readlink(own+"/"+name, target)
		if err != nil {
			return err
		}
		if kind := string(target[:size]); !strings.HasPrefix(kind, "anon_inode:[event") { // eventpoll, eventfd
			unix.Close(fd)
		}
	}
	return nil
}
