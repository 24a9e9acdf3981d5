package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

func idleFlags(f *flag.FlagSet, b *bench) {
	f.DurationVar(&b.seconds, "for", 20*time.Second, "how long to watch")
	f.IntVar(&b.service.n, "services", 0, "how many services that do nothing; the services of the workspace if 0")
	f.DurationVar(&b.service.every, "health", 5*time.Second, "how often each of them is checked; never if 0")
	f.StringVar(&b.service.check, "check", "http", "how they are checked: http, tcp or exec")
}

// idle watches a node that nobody uses.
func (b *bench) idle(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	var more []string
	if b.service.n > 0 {
		answers, err := newAnswers(b.service)
		if err != nil {
			return err
		}
		defer answers.close()
		dir := filepath.Join(b.dir, "specs")
		if err := answers.writeSpecs(dir); err != nil {
			return err
		}
		more = []string{"--profile", profile, "--specs", dir}
	}
	n, err := b.start(ctx, launcher, more...)
	if err != nil {
		return err
	}
	return errors.Join(b.watch(ctx, n), n.stop())
}

func (b *bench) watch(ctx context.Context, n *node) error {
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	before, err := tree(n.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, b.seconds); err != nil {
		return err
	}
	after, err := tree(n.cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "idle for %s after everything was ready\n", b.seconds)
	if b.service.n > 0 {
		fmt.Fprintf(b.out, "%d services, a check of each by %s every %s\n", b.service.n, b.service.check, b.service.every)
	}
	fmt.Fprintf(b.out, "%-12s %10s %12s\n", "process", "CPU", "resident")
	pids := make([]int, 0, len(after))
	for pid := range after {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	var node, services usage
	row := func(name string, u usage, note string) {
		fmt.Fprintf(b.out, "%-12s %9.2f%% %9.1f MB%s\n", name, percent(u.cpu, b.seconds), float64(u.rss)/1e6, note)
	}
	running := 0
	for _, pid := range pids {
		u := after[pid]
		u.cpu -= before[pid].cpu
		if b.service.n > 0 && u.name == commName(idleCommand) {
			running++
			services.add(u)
			continue
		}
		node.add(u)
		note := ""
		if u.name == "procd" && b.service.n > 0 {
			note = fmt.Sprintf("   (of one core; %s)", bound{most: 2, unit: " %"}.judge(percent(u.cpu, b.seconds)))
		}
		row(u.name, u, note)
	}
	if b.service.n == 0 {
		row("all", node, fmt.Sprintf("   (of one core; %s)", bound{most: 1, unit: " %"}.judge(percent(node.cpu, b.seconds))))
		return nil
	}
	row("node", node, "   (of one core; without its services)")
	row("services", services, "")
	if running != b.service.n {
		return fmt.Errorf("%d services run, want %d", running, b.service.n)
	}
	return nil
}

func percent(part, whole time.Duration) float64 { return 100 * float64(part) / float64(whole) }
