//go:build linux

package runner

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for all pidfds and FIFOs of a runner. A goroutine exists only where
// there is something to do: a thousand idle processes cost none.
type poller struct {
	f    *os.File // an epoll instance, itself in the Go runtime's
	conn syscall.RawConn
	fd   int

	mu    sync.Mutex
	ready map[int32]func() // guarded by mu: by token
	next  int32            // guarded by mu
}

// pollToken names a file in the poller; 0 is none.
type pollToken int32

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("watch processes: %w", err)
	}
	p := &poller{f: os.NewFile(uintptr(fd), "epoll"), fd: fd, ready: map[int32]func(){}}
	if p.conn, err = p.f.SyscallConn(); err != nil {
		return nil, fmt.Errorf("watch processes: %w", err)
	}
	return p, nil
}

// add calls ready once when fd can be read, and again after each rearm.
func (p *poller) add(fd int, ready func()) (pollToken, error) {
	p.mu.Lock()
	p.next++
	token := p.next
	p.ready[token] = ready
	p.mu.Unlock()
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: token}); err != nil {
		p.mu.Lock()
		delete(p.ready, token)
		p.mu.Unlock()
		return 0, fmt.Errorf("watch a process: %w", err)
	}
	return pollToken(token), nil
}

func (p *poller) rearm(token pollToken, fd int) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(token)})
}

// remove must come before fd is closed.
func (p *poller) remove(token pollToken, fd int) {
	if token == 0 {
		return
	}
	p.mu.Lock()
	delete(p.ready, int32(token))
	p.mu.Unlock()
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil)
}

// run hands what is ready to spawn until stop.
func (p *poller) run(spawn func(func())) error {
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := p.conn.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
		if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch processes: %w", err)
		}
		if n < 0 {
			return errors.New("watch processes: epoll_wait failed")
		}
		for _, e := range events[:n] {
			p.mu.Lock()
			ready := p.ready[e.Fd]
			p.mu.Unlock()
			if ready != nil {
				spawn(ready)
			}
		}
	}
}

// stop ends run; close comes when nobody uses the poller any more.
func (p *poller) stop()  { p.f.SetReadDeadline(time.Unix(1, 0)) }
func (p *poller) close() { p.f.Close() }
