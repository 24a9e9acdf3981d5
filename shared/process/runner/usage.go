//go:build linux

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Meter tells what the processes of a runner use. It is for one goroutine.
type Meter struct {
	r *Runner
	// owners has the instance of each process in a session of its own, "" for
	// strangers: what its environment says does not change.
	owners map[identity]string
	cpu    map[string]time.Duration // by instance
}

// Meter returns a meter that has read nothing yet.
func (r *Runner) Meter() *Meter { return &Meter{r: r} }

// Read returns the usage of each process that runs, by id. It reads two files for
// each process of an instance, and those of others once.
func (m *Meter) Read() []Usage {
	r := m.r
	r.mu.Lock()
	procs := make([]*proc, 0, len(r.procs))
	for _, p := range r.procs {
		if p != nil {
			procs = append(procs, p)
		}
	}
	r.mu.Unlock()
	if len(procs) == 0 {
		m.owners, m.cpu = nil, nil
		return nil
	}
	slices.SortFunc(procs, func(a, b *proc) int { return strings.Compare(a.rec.ID, b.rec.ID) })
	sums := make([]Usage, len(procs))
	w := census{bySession: map[int]*Usage{}, byInstance: map[string]*Usage{}, since: procs[0].rec.Ticks, owners: map[identity]string{}}
	for i, p := range procs {
		sums[i] = Usage{ID: p.rec.ID, Instance: p.rec.Instance}
		w.bySession[p.identity.PID], w.byInstance[p.rec.Instance] = &sums[i], &sums[i]
		w.since = min(w.since, p.rec.Ticks)
	}
	w.take(m.owners)
	cpu := make(map[string]time.Duration, len(sums))
	for i := range sums {
		u := &sums[i]
		u.CPU = max(u.CPU, m.cpu[u.Instance]) // a descendant that nobody waited for took its time with it
		cpu[u.Instance] = u.CPU
	}
	m.owners, m.cpu = w.owners, cpu
	return slices.DeleteFunc(sums, func(u Usage) bool { return u.Processes == 0 })
}

// census finds whose each process is.
type census struct {
	bySession  map[int]*Usage
	byInstance map[string]*Usage
	since      uint64
	owners     map[identity]string
	buf        [1024]byte
}

func (w *census) take(known map[identity]string) {
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	out := outsiders{since: w.since, known: map[int]bool{}}
	env := make([]byte, 0, 16<<10)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		session, err := unix.Getsid(pid)
		if err != nil {
			continue
		}
		u := w.bySession[session]
		if u == nil && out.have(pid) {
			continue
		}
		line, err := readStatLine(pid, w.buf[:])
		if err != nil {
			continue
		}
		if u == nil {
			s, err := parseStat(line)
			if err != nil || s.Start < w.since {
				continue
			}
			owner, ok := known[s.identity]
			if !ok {
				owner = instanceOf(name, &env)
			}
			w.owners[s.identity] = owner
			if u = w.byInstance[owner]; u == nil {
				continue
			}
		}
		if cpu, resident, err := parseUsage(line); err == nil {
			u.add(pid, cpu, resident)
		}
	}
}

func (u *Usage) add(pid int, cpu time.Duration, resident int64) {
	u.Processes++
	u.CPU += cpu
	u.Resident += resident
	switch n, err := openFDs(pid); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH): // it ended meanwhile
	case err != nil:
		u.OpenFDs = -1
	case u.OpenFDs >= 0:
		u.OpenFDs += n
	}
}

// openFDs counts a process's open file descriptors: the size of their directory
// since Linux 6.2, its entries before.
func openFDs(pid int) (int, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if s.Size > 0 {
		return int(s.Size), nil
	}
	entries, err := os.ReadDir(path)
	return len(entries), err
}

// parseUsage reads the times and the resident memory in one line of
// /proc/<pid>/stat, see [parseStat].
func parseUsage(b []byte) (cpu time.Duration, resident int64, err error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const utime, cstime, rss = 11, 14, 21
	if len(f) <= rss {
		return 0, 0, fmt.Errorf("parse a process's stat %q: %d fields after the command, want more than %d", b, len(f), rss)
	}
	const tick = time.Second / 100 // see ticks
	for _, field := range f[utime : cstime+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("parse a process's stat %q: %w", b, err)
		}
		cpu += time.Duration(n) * tick
	}
	pages, err := strconv.ParseInt(string(f[rss]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("parse a process's stat %q: %w", b, err)
	}
	return cpu, pages * int64(os.Getpagesize()), nil
}
