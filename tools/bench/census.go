package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// resident is a process of a node: a daemon, one of a service, or neither.
type resident struct {
	stat
	service string // CORE_SERVICE of its environment
}

func (r resident) String() string {
	if r.service != "" {
		return fmt.Sprintf("pid %d (%s, of service %s)", r.pid, r.name, r.service)
	}
	return fmt.Sprintf("pid %d (%s)", r.pid, r.name)
}

// census finds the processes whose environment names a root, whoever started
// them and whoever their parent is.
type census struct {
	root  string
	known map[instance]string // the services of processes that were read before
}

func newCensus(root string) *census { return &census{root: root, known: map[instance]string{}} }

// take lists the node's processes. One that has not called exec yet has the
// environment of its parent, and is told from it only the next time.
func (c *census) take() ([]resident, error) {
	list, err := pids()
	if err != nil {
		return nil, err
	}
	var found []resident
	now := map[instance]string{}
	for _, pid := range list {
		s, err := readStat(pid)
		if err != nil || s.ended() {
			continue
		}
		service, known := c.known[s.instance]
		if !known {
			var ours bool
			if service, ours = c.environ(pid); !ours {
				continue
			}
		}
		if service != "" {
			now[s.instance] = service
		}
		found = append(found, resident{s, service})
	}
	c.known = now
	return found, nil
}

// environ returns the service that a process is of, and whether it is the node's.
func (c *census) environ(pid int) (service string, ours bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", false
	}
	for v := range bytes.SplitSeq(text, []byte{0}) {
		name, value, _ := strings.Cut(string(v), "=")
		if name == "CORE_SERVICE" {
			service = value
		}
		if value == c.root || strings.HasPrefix(value, c.root+"/") {
			ours = true
		}
	}
	return service, ours
}

// find returns the process of a daemon, if it runs.
func (c *census) find(daemon string) (resident, bool) {
	list, err := pids()
	if err != nil {
		return resident{}, false
	}
	for _, pid := range list {
		s, err := readStat(pid)
		if err != nil || s.name != daemon || s.ended() {
			continue
		}
		if parent, err := readStat(s.parent); err == nil && parent.name == daemon {
			continue // what it has forked has its name until it calls exec
		}
		if _, ours := c.environ(pid); ours {
			return resident{stat: s}, true
		}
	}
	return resident{}, false
}

// kill ends a process as a crash does; false if it is not there any more.
func kill(i instance) bool {
	p, err := os.FindProcess(i.pid) // by a pidfd: from here on it is that process or none
	if err != nil {
		return false
	}
	defer p.Release()
	s, err := readStat(i.pid)
	return err == nil && s.instance == i && !s.ended() && p.Signal(syscall.SIGKILL) == nil
}
