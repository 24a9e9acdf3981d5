package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// supervised is one supervisor that runs N children for a measurement.
type supervised interface {
	// start begins to run n children of the command, and returns at once.
	start(ctx context.Context, n int, command []string) error
	// pids are the supervisor's own processes: what it costs.
	pids() ([]int, error)
	// stop ends everything and waits.
	stop() error
}

// contender makes a fresh supervisor in a directory of its own.
type contender struct {
	name string
	make func(dir string) supervised
}

// measured is what one supervisor needed.
type measured struct {
	up, replace time.Duration
	memory      int64
	before      time.Duration // of up, what passed until services were started; 0 where they are all there is
}

// supervise compares procd with the supervisors on PATH: N trivial services up,
// memory, and a killed child replaced. All in one run, interleaved.
func (b *bench) supervise(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	all := append([]contender{{"core", func(dir string) supervised { return &coreNode{b: b, launcher: launcher, dir: dir} }}}, peers()...)
	took := map[int]time.Duration{} // core, by how many services
	for _, n := range []int{200, 1000} {
		results := map[string][]measured{}
		for round := range b.n {
			for _, c := range all {
				if n > 200 && c.name == "supervisor" {
					continue // it needs minutes
				}
				m, err := b.contest(ctx, c, n, round)
				if err != nil {
					return fmt.Errorf("%s with %d services: %w", c.name, n, err)
				}
				results[c.name] = append(results[c.name], m)
			}
		}
		b.table(n, all, results)
		took[n] = middle(results["core"]).up
	}
	fmt.Fprintf(b.out, "\ncore, 1,000 services beside 200: %s the time\n", atMost(5.5).times(float64(took[1000])/float64(took[200])))
	return nil
}

// settled is how long after a start the memory is looked at: what is done once is
// not what supervision costs.
const settled = 8 * time.Second

// contest measures one supervisor once.
func (b *bench) contest(ctx context.Context, c contender, n, round int) (m measured, err error) {
	dir, err := os.MkdirTemp(b.dir, c.name+"-")
	if err != nil {
		return m, err
	}
	// The argument tells the children of this contest from all others.
	mark := fmt.Sprintf("%d%03d", 100000+os.Getpid(), round)
	command := []string{"/bin/sleep", mark}
	s := c.make(dir)
	seen := newChildren(command)
	began := time.Now()
	if err := s.start(ctx, n, command); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := seen.await(ctx, n); err != nil {
		return m, err
	}
	m.up = time.Since(began)
	if err := pause(ctx, settled); err != nil {
		return m, err
	}
	own, err := s.pids()
	if err != nil {
		return m, err
	}
	for _, pid := range own {
		m.memory += proportional(pid)
	}
	if n, ok := s.(*coreNode); ok {
		m.before = n.before()
	}
	var replaced []time.Duration
	for range 15 {
		d, err := seen.replace(ctx)
		if err != nil {
			return m, err
		}
		replaced = append(replaced, d)
	}
	m.replace = median(replaced)
	return m, nil
}

// proportional is the memory of a process in bytes, where what several share
// counts in parts: else two hundred small processes would each pay for one libc.
func proportional(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it ended
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			var kilobytes int64
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				return kilobytes << 10
			}
		}
	}
	return 0
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// middle is the median of some rounds, and the most memory of them.
func middle(rounds []measured) (m measured) {
	var up, replace, before []time.Duration
	for _, r := range rounds {
		up, replace, before = append(up, r.up), append(replace, r.replace), append(before, r.before)
		m.memory = max(m.memory, r.memory)
	}
	m.up, m.replace, m.before = median(up), median(replace), median(before)
	return m
}

func (b *bench) table(n int, all []contender, results map[string][]measured) {
	fmt.Fprintf(b.out, "\n%d services, median of %d, interleaved\n%-12s %12s %12s %14s\n", n, b.n, "", "up", "memory", "killed → new")
	own := middle(results["core"])
	var rest []string
	for _, c := range all {
		if len(results[c.name]) == 0 {
			continue
		}
		m := middle(results[c.name])
		fmt.Fprintf(b.out, "%-12s %12s %9.1f MB %14s", c.name, ms(m.up), float64(m.memory)/1e6, ms(m.replace))
		if c.name != "core" {
			most := bars[n][c.name]
			fmt.Fprintf(b.out, "   core: %s the time, %s the memory, %s the pause",
				most.up.times(float64(own.up)/float64(m.up)), most.memory.times(float64(own.memory)/float64(m.memory)),
				most.replace.times(float64(own.replace)/float64(m.replace)))
			rest = append(rest, fmt.Sprintf("%.2f× %s", float64(own.up-own.before)/float64(m.up), c.name))
		}
		fmt.Fprintln(b.out)
	}
	fmt.Fprintf(b.out, "of core's time %s are the node's own boot, before its services", ms(own.before))
	if len(rest) > 0 {
		fmt.Fprintf(b.out, "; the rest is %s", strings.Join(rest, ", "))
	}
	fmt.Fprintln(b.out)
}

// bars are what core may take beside each peer.
var bars = map[int]map[string]struct{ up, memory, replace atMost }{
	200:  {"s6": {up: 0.7, memory: 1}, "supervisor": {up: 0.1}, "runit": {replace: 2}},
	1000: {"s6": {memory: 0.6}, "runit": {replace: 2}},
}

// atMost is a bar; 0 where there is none.
type atMost float64

func (a atMost) times(ratio float64) string {
	if a == 0 {
		return fmt.Sprintf("%.2f×", ratio)
	}
	return fmt.Sprintf("%.2f× (%s)", ratio, bound{most: float64(a), unit: "×"}.judge(ratio))
}
