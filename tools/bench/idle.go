package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// idle watches a node that nobody uses.
func (b *bench) idle(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	n, err := b.start(ctx, launcher)
	if err != nil {
		return err
	}
	return errors.Join(b.watch(ctx, n), n.stop())
}

func (b *bench) watch(ctx context.Context, n *node) error {
	settle := time.NewTimer(3 * time.Second)
	defer settle.Stop()
	select {
	case <-settle.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	before, err := tree(n.cmd.Process.Pid)
	if err != nil {
		return err
	}
	watch := time.NewTimer(b.seconds)
	defer watch.Stop()
	select {
	case <-watch.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := tree(n.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var total time.Duration
	var memory int64
	fmt.Fprintf(b.out, "idle for %s after everything was ready\n%-12s %10s %12s\n", b.seconds, "process", "CPU", "resident")
	pids := make([]int, 0, len(after))
	for pid := range after {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	for _, pid := range pids {
		used := after[pid].cpu - before[pid].cpu
		total, memory = total+used, memory+after[pid].rss
		fmt.Fprintf(b.out, "%-12s %9.2f%% %9.1f MB\n", after[pid].name, percent(used, b.seconds), float64(after[pid].rss)/1e6)
	}
	fmt.Fprintf(b.out, "%-12s %9.2f%% %9.1f MB   (of one core; at most 1 %%)\n", "all", percent(total, b.seconds), float64(memory)/1e6)
	return nil
}

func percent(part, whole time.Duration) float64 { return 100 * float64(part) / float64(whole) }

// tree reads the usage of a process and all its descendants.
func tree(root int) (map[int]usage, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parents, all := map[int]int{}, map[int]usage{}
	for _, file := range files {
		pid, parent, u, err := readStat(file)
		if err != nil {
			continue // it ended meanwhile
		}
		parents[pid], all[pid] = parent, u
	}
	found := map[int]usage{}
	for pid, u := range all {
		for p := pid; p > 1; p = parents[p] {
			if p == root {
				found[pid] = u
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d is gone", root)
	}
	return found, nil
}

func readStat(file string) (pid, parent int, u usage, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, u, err
	}
	text := string(b)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, 0, u, fmt.Errorf("%s: %q", file, text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 22 {
		return 0, 0, u, fmt.Errorf("%s: %q", file, text)
	}
	number := func(s string) int64 {
		v, perr := strconv.ParseInt(s, 10, 64)
		err = errors.Join(err, perr)
		return v
	}
	pid, parent = int(number(strings.TrimSpace(text[:open]))), int(number(fields[1]))
	u.name = text[open+1 : end]
	u.cpu = time.Duration(number(fields[11])+number(fields[12])) * time.Second / clockTicks
	u.rss = number(fields[21]) * int64(os.Getpagesize())
	return pid, parent, u, err
}
