//go:build linux

package runner

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
)

// Reaper waits for processes whose supervisors are gone. It belongs into the
// process that started those supervisors, which Run makes the subreaper of all its
// descendants, and for good.
//
// It reaps what was certainly somebody else's child: recorded in one of Dirs by
// another process than this one, or with a session that is neither this process's
// nor its own. Children that this process started, by runners or os/exec, are left
// to whoever waits for them. A zombie that leads a session nobody recorded could
// be either: it is reaped when it has been left lying for a while.
type Reaper struct {
	// Dirs are the directories of all runners among the descendants.
	Dirs []string
	// Report is told about recorded processes; may be nil. Their exits are in the
	// records by then.
	Report func(id string, e events.ProcessReaped)
	Log    *slog.Logger // discarded if nil
	// Now dates the exits; time.Now if nil.
	Now func() time.Time
}

const (
	lying = 2 * time.Second  // how long an unknown zombie lies before it is reaped
	rest  = 30 * time.Second // between looks that no signal asked for
)

// Run reaps until ctx ends and returns nil then.
func (r *Reaper) Run(ctx context.Context) error {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of orphaned processes: %w", err)
	}
	h, err := readHost()
	if err != nil {
		return err
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		return err
	}
	var hold sync.WaitGroup
	defer hold.Wait()
	for _, dir := range r.Dirs {
		hold.Go(func() { (&holder{dir: dir, log: r.Log}).run(ctx) })
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	seen := map[identity]time.Time{}
	for {
		wait := rest
		if r.pass(h, self, seen); len(seen) > 0 {
			wait = lying
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-ended:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass reaps what may be reaped now. seen has the unknown zombies.
func (r *Reaper) pass(h host, self stat, seen map[identity]time.Time) {
	var zombies []stat
	now := time.Now()
	for _, pid := range children(self.PID) {
		s, err := readStat(pid)
		if err != nil || s.Parent != self.PID || !s.ended() || s.Session == self.Session {
			continue
		}
		zombies = append(zombies, s)
	}
	if len(zombies) == 0 {
		clear(seen)
		return
	}
	known := r.records(h)
	left := map[identity]bool{}
	for _, s := range zombies {
		owner, recorded := known[s.identity]
		since, again := seen[s.identity]
		switch {
		case recorded && owner.by == h.self:
		case recorded:
			r.reap(s.identity, owner.dir, owner.id)
		case s.Session != s.PID, again && now.Sub(since) >= lying:
			r.reap(s.identity, "", "")
		default:
			left[s.identity] = true
			if !again {
				seen[s.identity] = now
			}
		}
	}
	for id := range seen {
		if !left[id] {
			delete(seen, id)
		}
	}
}

type owned struct {
	id, dir string
	by      identity
}

// records returns who supervises the recorded processes of this boot.
func (r *Reaper) records(h host) map[identity]owned {
	known := map[identity]owned{}
	for _, dir := range r.Dirs {
		ids, err := recorded(dir)
		if err != nil {
			r.Log.Warn("look for supervised processes", "dir", dir, "err", err)
		}
		for _, id := range ids {
			if j, err := load(dir, id); err == nil && j != nil && j.Boot == h.boot && j.started.PID != 0 {
				known[j.started] = owned{id: id, dir: dir, by: j.By}
			}
		}
	}
	return known
}

// reap collects a zombie, after its exit was recorded: should this be the
// reaper's last moment, another finds either.
func (r *Reaper) reap(id identity, dir, name string) {
	fd, _, err := pin(id)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	x, ok := peekExit(fd)
	if !ok {
		return
	}
	x.PID, x.Start, x.Time = id.PID, id.Start, r.Now()
	if name != "" {
		if err := note(dir, name, entry{Exit: &x}); err != nil {
			r.Log.Warn("record the exit of an orphaned process", "id", name, "pid", id.PID, "err", err)
		}
	}
	for {
		if _, err := syscall.Wait4(id.PID, nil, 0, nil); err != syscall.EINTR {
			break
		}
	}
	r.Log.Debug("reaped an orphaned process", "id", name, "pid", id.PID, "code", x.Code, "signal", x.Signal)
	if name != "" && !strings.HasSuffix(name, hookSuffix) && r.Report != nil {
		r.Report(name, events.ProcessReaped{PID: id.PID, Start: id.Start, Code: x.Code, Signal: x.Signal})
	}
}

// children lists the children of this process.
func children(self int) []int {
	var pids []int
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if os.IsNotExist(err) && t.Name() == strconv.Itoa(self) {
			return childrenByParent(self) // a kernel without the list
		}
		for f := range bytes.FieldsSeq(b) {
			if pid, err := strconv.Atoi(string(f)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func childrenByParent(self int) []int {
	var pids []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, err := readStat(pid); err == nil && s.Parent == self {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
