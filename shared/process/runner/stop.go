//go:build linux

package runner

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leftover is how long what a leader that ended by itself left behind has to end.
const leftover = 2 * time.Second

// sweepEvery is the rhythm in which descendants are looked for that outlived a
// process which ended by itself.
const sweepEvery = 250 * time.Millisecond

// Stop implements [process.Process].
func (p *proc) Stop(ctx context.Context) error {
	p.stopping.Do(func() {
		p.deadline = time.Now().Add(p.rec.Timeout)
		close(p.stop)
		p.signal(syscall.Signal(p.rec.Signal))
		p.signal(unix.SIGCONT) // or a stopped process would never see it
	})
	timer := time.NewTimer(time.Until(p.deadline))
	defer timer.Stop()
	select {
	case <-p.done:
	case <-p.r.quit:
	case <-timer.C:
		p.kill()
	case <-ctx.Done():
		p.kill()
	}
	// Killed processes go at once, unless the kernel holds them.
	limit := time.NewTimer(2 * patience)
	defer limit.Stop()
	for _, c := range []<-chan struct{}{p.done, p.swept} {
		select {
		case <-c:
		case <-ctx.Done():
			p.kill()
			select {
			case <-c:
			case <-limit.C:
			case <-p.r.quit:
			}
		case <-limit.C:
		case <-p.r.quit:
		}
	}
	select {
	case <-p.swept:
	default:
		if p.r.closing() {
			return fmt.Errorf("stop %s: %w before it was gone", p, errClosed)
		}
		return fmt.Errorf("stop %s: it does not go even when killed: see whether its device or file system hangs", p)
	}
	if p.held != nil {
		return fmt.Errorf("stop %s: %w", p, p.held)
	}
	if err := p.r.Forget(p.rec.ID); err != nil {
		return fmt.Errorf("stop %s: %w", p, err)
	}
	return nil
}

// kill ends the patience with the process and all that belongs to it.
func (p *proc) kill() {
	p.hurrying.Do(func() { close(p.hurry) })
	p.killGroup()
	p.signal(unix.SIGKILL)
}

// signal sends a signal to the process group. The pidfd pins the group's number,
// so that no stranger is hit even when the leader has been reaped.
func (p *proc) signal(s syscall.Signal) {
	if p.signalGroup(s) == unix.EINVAL { // before Linux 6.9
		p.signalMembers(s)
	}
}

// signalMembers signals each process of the group by a pidfd of its own.
func (p *proc) signalMembers(s syscall.Signal) {
	for _, m := range p.of(p.r.scans.find(p.wanted())) {
		if m.Group == p.identity.PID && m.PID != p.identity.PID {
			unix.PidfdSendSignal(m.fd, s, nil, 0)
		}
		unix.Close(m.fd)
	}
	p.use(func(fd int) error { return unix.PidfdSendSignal(fd, s, nil, 0) })
}

func (p *proc) signalGroup(s syscall.Signal) error {
	return p.use(func(fd int) error {
		return unix.PidfdSendSignal(fd, s, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	})
}

// settle ends what a leader left behind: what is in its process group now, and
// what changed its session now if the process is being stopped, in the background
// otherwise. It fails when the runner lets go.
func (p *proc) settle() error {
	asked := 0
	deadline := time.Now().Add(leftover)
	select {
	case <-p.stop:
		asked, deadline = p.identity.PID, p.deadline
	default:
		if p.signalGroup(0) == unix.ESRCH {
			p.r.spawn(p.sweep)
			return nil
		}
	}
	err := p.end(p.wanted(), asked, deadline, p.hurry)
	if err == errClosed {
		return err
	}
	p.held = err
	p.dissolve()
	close(p.swept)
	return nil
}

// sweep ends descendants that changed their session. Many sweeps share one look
// at /proc, and none delays the replacement of a process that crashed.
func (p *proc) sweep() {
	// All at the same moments, so that they share the look.
	now := time.Now()
	pause := time.NewTimer(now.Truncate(sweepEvery).Add(sweepEvery).Sub(now))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-p.stop:
	case <-p.r.quit:
		return
	}
	w := p.wanted()
	w.fifos = nil
	p.held = p.end(w, 0, time.Now().Add(leftover), p.hurry)
	if p.held != nil && p.held != errClosed {
		p.r.o.Log.Warn("end what a process left behind", "id", p.rec.ID, "instance", p.rec.Instance, "err", p.held)
	}
	if p.held != errClosed {
		p.dissolve()
	}
	close(p.swept)
}
