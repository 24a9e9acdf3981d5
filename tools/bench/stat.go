package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTicks is USER_HZ, which is 100 on every Linux that Go runs on.
const clockTicks = 100

// usage is what one process has used.
type usage struct {
	name string
	cpu  time.Duration
	rss  int64 // bytes
}

func (u *usage) add(o usage) { u.cpu, u.rss = u.cpu+o.cpu, u.rss+o.rss }

// instance is one process, whatever else gets its pid later.
type instance struct {
	pid   int
	start int64 // in ticks since the machine's boot
}

// stat is what /proc tells of a process in one line.
type stat struct {
	instance
	usage
	state           byte
	parent, session int
}

// ended reports whether the process only waits to be reaped.
func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

// readStat reads /proc/<pid>/stat, see proc(5).
func readStat(pid int) (s stat, err error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	text := string(b)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("%s: %q", file, text)
	}
	fields := strings.Fields(text[end+1:]) // the first is the third of the manual
	if len(fields) < 22 {
		return s, fmt.Errorf("%s: %q", file, text)
	}
	var numbers [22]int64
	for i, f := range fields[1:22] {
		if numbers[i+1], err = strconv.ParseInt(f, 10, 64); err != nil {
			return s, fmt.Errorf("%s: %w", file, err)
		}
	}
	s.pid, s.start = pid, numbers[19]
	s.state, s.parent, s.session = fields[0][0], int(numbers[1]), int(numbers[3])
	s.name = text[open+1 : end]
	s.cpu = time.Duration(numbers[11]+numbers[12]) * time.Second / clockTicks
	s.rss = numbers[21] * int64(os.Getpagesize())
	return s, nil
}

// pids lists all processes of the machine.
func pids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var list []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			list = append(list, pid)
		}
	}
	return list, err
}

// tree reads the usage of a process and all its descendants.
func tree(root int) (map[int]usage, error) {
	list, err := pids()
	if err != nil {
		return nil, err
	}
	all := map[int]stat{}
	for _, pid := range list {
		if s, err := readStat(pid); err == nil { // else it ended meanwhile
			all[pid] = s
		}
	}
	found := map[int]usage{}
	for pid, s := range all {
		for p := pid; p > 1; p = all[p].parent {
			if p == root {
				found[pid] = s.usage
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d is gone", root)
	}
	return found, nil
}
