//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// Adopt implements [process.Runner]. Where the recorded instance has ended, what
// it left behind is ended too, its last output is brought to its log, and [Ended]
// has its exit.
func (r *Runner) Adopt(ctx context.Context, id string) (process.Process, error) {
	if err := events.CheckToken(id); err != nil {
		return nil, fmt.Errorf("adopt %q: %w", id, err)
	}
	h, err := r.host()
	if err != nil {
		return nil, fmt.Errorf("adopt %s: %w", id, err)
	}
	if err := r.endHook(ctx, h, id+hookSuffix); err != nil {
		return nil, fmt.Errorf("adopt %s: %w", id, err)
	}
	if p := r.live(id); p != nil {
		return p, nil
	}
	if err := r.reserve(id); err != nil {
		return nil, fmt.Errorf("adopt %s: %w", id, err)
	}
	p, err := r.adopt(ctx, h, id)
	if p != nil {
		if err = r.publish(p); err != nil {
			p.close()
		}
	}
	if p == nil || err != nil {
		r.release(id)
		if err != nil {
			return nil, fmt.Errorf("adopt %s: %w", id, err)
		}
		return nil, nil
	}
	return p, nil
}

func (r *Runner) adopt(ctx context.Context, h host, id string) (*proc, error) {
	j, err := load(r.o.Dir, id)
	if err != nil {
		return nil, fmt.Errorf("%w: end what may still run of it and remove %s", err, recordPath(r.o.Dir, id))
	}
	if j == nil || j.Boot != h.boot {
		if j != nil && j.Group != "" {
			p, _ := newProc(r, j.record) // nothing is looked for in what it wrote
			p.dissolve()
		}
		return nil, r.discard(id) // nothing was started, or nothing of it is left
	}
	p, err := newProc(r, j.record)
	if err != nil {
		r.o.Log.Warn("what is looked for in the output of a process", "id", id, "err", err)
	}
	if j.matched && p.find != nil {
		p.find.tell()
	}
	p.adopted, p.followed = true, j.followed
	fd, s := -1, stat{}
	if j.started.PID != 0 {
		fd, s, err = pin(j.started)
	} else {
		fd, s, err = p.search()
	}
	switch {
	case err == nil && !s.ended():
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		if j.started.PID == 0 && err != nil { // the intent came to nothing
			p.dissolve()
			close(p.swept)
			r.leave(p, exitRecord{Code: -1, Unknown: true})
			return nil, nil
		}
		p.identity, p.untold = j.started, true
		if err == nil { // a zombie: perhaps our own child
			p.identity = s.identity
			p.hold(fd)
		}
		return nil, r.bury(ctx, p, j.exit)
	}
	p.identity, p.untold = s.identity, s.Parent == 1
	p.hold(fd)
	if j.started.PID == 0 {
		err = note(r.o.Dir, id, entry{Started: &p.identity})
	}
	if err = errors.Join(err, note(r.o.Dir, id, entry{By: &h.self}), p.open()); err != nil {
		p.close()
		return nil, err
	}
	p.remember()
	return p, nil
}

// endHook ends what a supervisor that was killed left of a hook: it is begun
// again with what it belongs to.
func (r *Runner) endHook(ctx context.Context, h host, id string) error {
	if _, err := os.Stat(recordPath(r.o.Dir, id)); errors.Is(err, fs.ErrNotExist) || r.live(id) != nil {
		return nil
	}
	if err := r.reserve(id); err != nil {
		return err
	}
	defer r.release(id)
	j, err := load(r.o.Dir, id)
	if err == nil && j != nil && j.Boot == h.boot {
		p, _ := newProc(r, j.record) // nothing is looked for in what it writes
		p.identity = j.started
		hurry := make(chan struct{})
		close(hurry)
		err = p.end(p.wanted(), 0, time.Now(), hurry)
		p.dissolve()
	}
	return errors.Join(err, r.discard(id))
}

// search finds the leader of an instance that died before its pid was recorded.
func (p *proc) search() (int, stat, error) {
	fd, leader, err := -1, stat{}, error(fs.ErrNotExist)
	for _, m := range p.of(p.r.scans.find(p.wanted())) {
		if m.PID == m.Session && (fd < 0 || m.Start < leader.Start) {
			if fd >= 0 {
				unix.Close(fd)
			}
			fd, leader, err = m.fd, m.stat, nil
			continue
		}
		unix.Close(m.fd)
	}
	return fd, leader, err
}

// remember fills the last lines, and the lines that have begun, from the log files.
func (p *proc) remember() {
	for i, l := range p.logs {
		offset := p.rec.Offset
		if i > 0 {
			offset = p.rec.ErrOffset
		}
		lines, rest := tailFrom(l.path, offset)
		stamped := p.rec.Output.Timestamps
		for _, s := range lines {
			if stamped {
				s = unstamped(s)
			}
			p.tail.put(s)
		}
		if stamped {
			rest = unstamped(rest)
		}
		if len(p.streams) > i {
			p.streams[i].cut.begin(rest)
		}
		if p.find.looking() {
			if err := p.find.scan(l.path, offset, stamped); err != nil {
				p.r.o.Log.Warn("look for a line in a log file", "id", p.rec.ID, "file", l.path, "err", err)
			}
		}
	}
}

// bury does what is left to do about an instance that ended while nobody
// supervised it.
func (r *Runner) bury(ctx context.Context, p *proc, x *exitRecord) error {
	if x == nil {
		w, err := p.collect()
		if err != nil {
			return err
		}
		x = &w
	}
	deadline := time.Now().Add(leftover)
	if err := p.end(p.wanted(), 0, deadline, ctx.Done()); err != nil {
		p.held = err
	}
	p.dissolve()
	close(p.swept)
	if err := p.openLogs(); err != nil {
		r.o.Log.Warn("open the log of a process that ended", "id", p.rec.ID, "err", err)
	} else {
		p.remember()
		p.drainLeft()
	}
	r.leave(p, *x)
	return p.held
}

// leave makes an instance that is gone known to [Runner.Ended].
func (r *Runner) leave(p *proc, x exitRecord) {
	p.finish(x)
	close(p.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[p.rec.ID] = p
}

// drainLeft brings what FIFOs still have to the log.
func (p *proc) drainLeft() {
	for i, name := range []string{Stdout, Stderr} {
		if s, err := p.openStream(name, p.logs[min(i, len(p.logs)-1)]); err == nil {
			s.drain()
		}
	}
}

// Ended implements [process.Finder].
func (r *Runner) Ended(id string) process.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.ended[id]; p != nil {
		return p
	}
	return nil
}

// Follow records that what follows the end of an instance is done: Followed of what
// [Runner.Ended] returns says so.
func (r *Runner) Follow(id, instance string) error {
	err := note(r.o.Dir, id, entry{Followed: instance})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was forgotten
	}
	return err
}

// Recorded implements [process.Finder].
func (r *Runner) Recorded() ([]string, error) {
	ids, err := recorded(r.o.Dir)
	for i := range ids {
		ids[i] = strings.TrimSuffix(ids[i], hookSuffix)
	}
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// Forget implements [process.Finder].
func (r *Runner) Forget(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.procs[id]; ok {
		return nil // a newer instance has the record now
	}
	delete(r.ended, id)
	return r.discard(id)
}

// discard removes the record and FIFOs of an id of which nothing is left.
func (r *Runner) discard(id string) error {
	var errs error
	for _, f := range []string{fifoPath(r.o.Dir, id, Stdout), fifoPath(r.o.Dir, id, Stderr), recordPath(r.o.Dir, id), recordPath(r.o.Dir, id) + newSuffix} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	if errs != nil {
		return fmt.Errorf("forget %s: %w", id, errs)
	}
	return nil
}
