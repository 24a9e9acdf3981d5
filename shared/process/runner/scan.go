//go:build linux

package runner

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// instanceVar names the variable by which the descendants of an instance are
// found whatever session they are in.
const instanceVar = "CORE_INSTANCE"

// wanted says whose processes a scan looks for.
type wanted struct {
	instance string
	session  int     // 0 if unknown
	since    uint64  // nothing of it started earlier
	fifos    []inode // that only its processes have
}

// member is a process that belongs to an instance, pinned by a pidfd that the
// receiver closes.
type member struct {
	stat
	fd int
	// numbered: only the number of its session says so, which may be another
	// session's by now.
	numbered bool
}

// scanner looks through /proc for many at once: whoever asks while a scan goes
// on has a part in the next.
type scanner struct {
	// leaders are the processes, by pid, that lead the sessions of the runner's
	// instances; none if nil.
	leaders func() map[int]*proc

	mu      sync.Mutex
	running bool       // guarded by mu
	queue   []*request // guarded by mu
}

type request struct {
	wanted
	members []member
	done    chan struct{}
}

// find returns the processes of w that have not ended, this one excepted.
func (s *scanner) find(w wanted) []member {
	q := &request{wanted: w, done: make(chan struct{})}
	s.mu.Lock()
	s.queue = append(s.queue, q)
	lead := !s.running
	s.running = true
	s.mu.Unlock()
	for lead {
		s.mu.Lock()
		batch := s.queue
		s.queue = nil
		s.running = len(batch) > 0
		s.mu.Unlock()
		if len(batch) == 0 {
			break
		}
		s.walk(batch)
		for _, b := range batch {
			close(b.done)
		}
	}
	<-q.done
	return q.members
}

// walk gives each request its processes.
func (s *scanner) walk(batch []*request) {
	since := batch[0].since
	byInstance := make(map[string]*request, len(batch))
	bySession := make(map[int]*request, len(batch))
	byFIFO := map[inode]*request{}
	for _, q := range batch {
		since = min(since, q.since)
		byInstance[q.instance] = q
		if q.session != 0 {
			bySession[q.session] = q
		}
		for _, i := range q.fifos {
			byFIFO[i] = q
		}
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	env := make([]byte, 0, 16<<10)
	out := outsiders{since: since, wanted: bySession, known: map[int]bool{}}
	if s.leaders != nil {
		out.leaders = s.leaders()
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() || out.have(pid) {
			continue
		}
		found, err := readStat(pid)
		if err != nil || found.ended() || found.Start < since {
			continue
		}
		var q *request
		instance := instanceOf(name, &env)
		if instance != "" {
			q = byInstance[instance]
		} else if len(byFIFO) > 0 {
			q = byFIFOs(name, byFIFO)
		}
		numbered := q == nil && instance == ""
		if numbered {
			q = bySession[found.Session]
		}
		if q == nil || found.Start < q.since {
			continue
		}
		if fd, _, err := pin(found.identity); err == nil {
			q.members = append(q.members, member{found, fd, numbered})
		}
	}
}

// outsiders are the processes that are certainly none that is looked for: the
// kernel's, those in a session whose leader is older, and those in the session of
// another instance that lives. Nobody joins a session who was not born in it.
type outsiders struct {
	since   uint64
	wanted  map[int]*request // sessions that are looked for
	leaders map[int]*proc
	known   map[int]bool // by session
}

// have asks for a process's session, which costs a tenth of reading the process.
// Session 0 is the kernel's, and whose leader is outside this PID namespace, as with
// what a container was entered with.
func (o *outsiders) have(pid int) bool {
	session, err := unix.Getsid(pid)
	switch {
	case err != nil:
		return false
	case session == 0:
		return ofKernel(pid)
	}
	out, known := o.known[session]
	if known {
		return out
	}
	if p := o.leaders[session]; p != nil && o.wanted[session] == nil {
		// While it is there the number is nobody else's.
		out = p.use(func(fd int) error { return unix.PidfdSendSignal(fd, 0, nil, 0) }) == nil
	}
	if !out {
		leader, err := readStat(session)
		out = err == nil && leader.Start < o.since
	}
	o.known[session] = out
	return out
}

// ofKernel reports whether a process runs no program.
func ofKernel(pid int) bool {
	_, err := unix.Readlink("/proc/"+strconv.Itoa(pid)+"/exe", make([]byte, 1))
	return err == unix.ENOENT
}

// instanceOf returns the instance in a process's environment; empty if there is
// none or it is not ours to see.
func instanceOf(pid string, buf *[]byte) string {
	fd, err := unix.Open("/proc/"+pid+"/environ", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	b := (*buf)[:0]
	for len(b) < 1<<20 {
		if cap(b)-len(b) < 4<<10 {
			b = append(b, make([]byte, cap(b))...)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		if n <= 0 || err != nil {
			break
		}
		b = b[:len(b)+n]
	}
	*buf = b
	for len(b) > 0 {
		var v []byte
		v, b, _ = bytes.Cut(b, []byte{0})
		if v, ok := bytes.CutPrefix(v, []byte(instanceVar+"=")); ok {
			return string(v)
		}
	}
	return ""
}

// inode is a file whatever its name.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, bool) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil || s.Mode&unix.S_IFMT != unix.S_IFIFO {
		return inode{}, false
	}
	return inode{uint64(s.Dev), s.Ino}, true
}

func fifoInodes(dir, id string) []inode {
	var list []inode
	for _, stream := range []string{Stdout, Stderr} {
		if i, ok := inodeOf(fifoPath(dir, id, stream)); ok {
			list = append(list, i)
		}
	}
	return list
}

// byFIFOs finds whose standard output or error a process has: some programs
// overwrite their environment.
func byFIFOs(pid string, requests map[inode]*request) *request {
	for _, fd := range []string{"1", "2"} {
		if i, ok := inodeOf("/proc/" + pid + "/fd/" + fd); ok && requests[i] != nil {
			return requests[i]
		}
	}
	return nil
}

// await returns when all members have ended or enough says so, and closes them.
func await(members []member, enough func() bool) {
	fds := make([]unix.PollFd, len(members))
	for i, m := range members {
		fds[i] = unix.PollFd{Fd: int32(m.fd), Events: unix.POLLIN}
	}
	for left := len(fds); left > 0 && !enough(); {
		n, err := unix.Poll(fds, 10) // ms; the rhythm of enough
		if err != nil && err != unix.EINTR {
			break
		}
		for i := range fds {
			if n > 0 && fds[i].Revents != 0 {
				fds[i].Fd, fds[i].Revents = -1, 0
				left--
			}
		}
	}
	for _, m := range members {
		unix.Close(m.fd)
	}
}

// patience is how long killed processes get to go.
const patience = 10 * time.Second

// of keeps the members that are certainly the instance's. The number of a session
// is certain while processes are in the group that the leader's pidfd stands for:
// so long it is nobody else's.
func (p *proc) of(members []member) []member {
	certain := p.signalGroup(0) == nil
	return slices.DeleteFunc(members, func(m member) bool {
		if m.numbered && !certain {
			unix.Close(m.fd)
			return true
		}
		return false
	})
}

// end asks the processes of w to end and kills those that are left at the deadline
// or when hurry is closed. It returns when none is left, an error where some
// outlive even that, and errClosed when the runner lets go. Members of the process
// group asked were asked already.
func (p *proc) end(w wanted, asked int, deadline time.Time, hurry <-chan struct{}) error {
	r := p.r
	var killed time.Time
	told := map[identity]bool{}
	hurried := func() bool {
		select {
		case <-hurry:
			return true
		default:
			return time.Now().After(deadline)
		}
	}
	for {
		members := p.of(r.scans.find(w))
		if len(members) == 0 {
			return nil
		}
		if killed.IsZero() && hurried() {
			killed = time.Now()
		}
		for _, m := range members {
			switch {
			case !killed.IsZero():
				unix.PidfdSendSignal(m.fd, unix.SIGKILL, nil, 0)
			case !told[m.identity] && m.Group != asked:
				told[m.identity] = true
				unix.PidfdSendSignal(m.fd, unix.SIGTERM, nil, 0)
				unix.PidfdSendSignal(m.fd, unix.SIGCONT, nil, 0)
			}
		}
		await(members, func() bool {
			if killed.IsZero() {
				return r.closing() || hurried()
			}
			return r.closing() || time.Since(killed) > patience
		})
		switch {
		case r.closing():
			return errClosed
		case !killed.IsZero() && time.Since(killed) > patience:
			return fmt.Errorf("process %d (%c) of instance %s does not go even when killed", members[0].PID, members[0].State, w.instance)
		}
	}
}
