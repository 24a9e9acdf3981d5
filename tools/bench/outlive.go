package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func outliveFlags(f *flag.FlagSet, b *bench) {
	rounds(3)(f, b)
	f.IntVar(&b.service.n, "services", 200, "how many services, of which every other one writes")
	f.IntVar(&b.rate, "rate", 500, "lines of 100 bytes that each of them writes in a second")
	f.StringVar(&b.only, "only", "", "only these, as in procd,launcher")
}

// loss is somebody whose death services outlive.
type loss struct {
	victim string
	store  string // of the bus
}

// outlived is what was seen after one death.
type outlived struct {
	back   time.Duration // from the kill until it is there again
	usable time.Duration // from then until the restart of a service is completed
	all    time.Duration // that the restart of every service took
	alive  int           // services with the process they had
	obeyed int           // services that were restarted when asked
	double int           // services with two processes
	again  int           // restarts that nobody asked for
	lines  tally
	bad    []string // what is not as it should be
}

// outlive kills procd, busd and the launcher with services at work.
func (b *bench) outlive(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	losses := []loss{{"procd", "memory"}, {"busd", "memory"}, {"busd", "file"}, {"launcher", "memory"}}
	fmt.Fprintf(b.out, "kill -9 with %d services, every other one writing %d lines of %d bytes a second; median of %d\n%-18s %10s %14s %12s %8s %8s %8s %9s %6s\n",
		b.service.n, b.rate, lineSize, b.n, "", "back", "controllable", "all of them", "alive", "obeyed", "double", "restarts", "lost")
	var wrong []string
	for _, l := range losses {
		if b.only != "" && !strings.Contains(","+b.only+",", ","+l.victim+",") {
			continue
		}
		var back, usable, all []time.Duration
		worst := outlived{alive: b.service.n, obeyed: b.service.n}
		for round := range b.n {
			o, err := b.outliveOnce(ctx, launcher, l)
			if err != nil {
				return fmt.Errorf("kill -9 %s (bus in %s): %w", l.victim, l.store, err)
			}
			back, usable, all = append(back, o.back), append(usable, o.usable), append(all, o.all)
			worst.alive, worst.obeyed = min(worst.alive, o.alive), min(worst.obeyed, o.obeyed)
			worst.double, worst.again = max(worst.double, o.double), max(worst.again, o.again)
			worst.lines.add(o.lines)
			for _, text := range o.bad {
				wrong = append(wrong, fmt.Sprintf("%s (bus in %s), round %d: %s", l.victim, l.store, round+1, text))
			}
		}
		name := l.victim
		if l.victim == "busd" {
			name += ", " + l.store
		}
		fmt.Fprintf(b.out, "%-18s %10s %14s %12s %8d %8d %8d %9d %6d   (%s, %s; slowest %s)\n", name, ms(median(back)), ms(median(usable)), ms(median(all)),
			worst.alive, worst.obeyed, worst.double, worst.again, worst.lines.lost,
			bound{least: float64(b.service.n)}.judge(float64(min(worst.alive, worst.obeyed))),
			bound{most: 1, unit: " s"}.judge(median(usable).Seconds()), ms(usable[len(usable)-1]))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not everything outlived it:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}

// lineSize is how long the lines of services are.
const lineSize = 100

// writes reports whether the i-th service writes.
func writes(i int) bool { return i%2 == 1 }

func (b *bench) outliveOnce(ctx context.Context, launcher string, l loss) (o outlived, err error) {
	specs, err := os.MkdirTemp(b.dir, "specs-")
	if err != nil {
		return o, err
	}
	command, err := writer{size: lineSize, rate: b.rate}.command()
	if err != nil {
		return o, err
	}
	for i := range b.service.n {
		spec := daemonSpec(idleCommand)
		if writes(i) {
			spec = daemonSpec(command)
			spec["logging"] = member{"maxSize": rotateAt, "maxFiles": 0}
		}
		if err := writeSpec(specs, serviceName(i), spec); err != nil {
			return o, err
		}
	}
	n, err := b.start(ctx, launcher, "--profile", profile, "--specs", specs, "--bus.store", l.store)
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(n.root)
	if err = errors.Join(b.strike(ctx, n, l, &o), n.stop()); err != nil {
		return o, err
	}
	for i := range b.service.n {
		if !writes(i) {
			continue
		}
		files, err := rotated(n.logs(), serviceName(i)+".log", serviceName(i)+".log.")
		if err != nil {
			return o, err
		}
		t, err := count(files, lineSize)
		if err != nil {
			return o, err
		}
		// One run ended with the restart that was asked for, one with the node.
		if text := t.wrong(2); text != "" {
			o.bad = append(o.bad, fmt.Sprintf("the log of %s: %s", serviceName(i), text))
		}
		o.lines.add(t)
	}
	return o, nil
}

// strike kills, and looks at what becomes of the services.
func (b *bench) strike(ctx context.Context, n *node, l loss, o *outlived) error {
	people := newCensus(n.root)
	before, err := leaders(people)
	if err != nil {
		return err
	}
	if len(before) != b.service.n {
		return fmt.Errorf("%d services run before the kill, want %d", len(before), b.service.n)
	}
	if err := pause(ctx, 2*time.Second); err != nil { // let them write
		return err
	}
	if err := b.killAndReturn(ctx, n, people, l.victim, o); err != nil {
		return err
	}
	// The first, which writes nothing, is the proof that the node obeys.
	returned := time.Now()
	if err := obeyed(ctx, n, returned, serviceName(0)); err != nil {
		return err
	}
	o.usable = time.Since(returned)
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	after, err := leaders(people)
	if err != nil {
		return err
	}
	status, err := n.status(ctx)
	if err != nil {
		return err
	}
	o.alive = o.survivors(before, after, serviceName(0))
	for _, s := range status.Services {
		id := string(s.ID)
		if _, ours := before[id]; !ours {
			continue
		}
		if s.Restarts > 0 { // the one that was asked for does not count
			o.again += s.Restarts
			o.bad = append(o.bad, fmt.Sprintf("%s was restarted %d times", id, s.Restarts))
		}
		if p := after[id]; len(p) > 0 && p[0].pid != s.PID {
			o.bad = append(o.bad, fmt.Sprintf("%s runs as pid %d and the state says %d", id, p[0].pid, s.PID))
		}
	}
	var names []string
	for i := range b.service.n {
		names = append(names, serviceName(i))
	}
	began := time.Now()
	if err := obeyed(ctx, n, began, names...); err != nil {
		return err
	}
	o.all = time.Since(began)
	renewed, err := leaders(people)
	if err != nil {
		return err
	}
	for _, id := range names {
		if p := renewed[id]; len(p) == 1 && len(after[id]) == 1 && p[0].instance != after[id][0].instance {
			o.obeyed++
			continue
		}
		o.bad = append(o.bad, fmt.Sprintf("%s was asked to restart and runs as %v, before as %v", id, renewed[id], after[id]))
	}
	return nil
}

// killAndReturn kills the victim and returns when it is there again: that the
// launcher's up ended well, or that the daemon's process runs.
func (b *bench) killAndReturn(ctx context.Context, n *node, people *census, victim string, o *outlived) error {
	began := time.Now()
	if victim == "launcher" {
		if err := n.cmd.Process.Kill(); err != nil {
			return err
		}
		n.cmd.Wait() // it was killed
		if err := n.launch(ctx); err != nil {
			return err
		}
		o.back = time.Since(began)
		return nil
	}
	old, ok := people.find(victim)
	if !ok || !kill(old.instance) {
		return fmt.Errorf("%s does not run", victim)
	}
	for {
		if now, ok := people.find(victim); ok && now.instance != old.instance {
			o.back = time.Since(began)
			return nil
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("%s is not back after a minute", victim)
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

// obeyed restarts services as an operator does, who tries again while the node
// cannot be reached.
func obeyed(ctx context.Context, n *node, since time.Time, services ...string) error {
	for {
		_, err := n.run(ctx, append([]string{"restart", "--timeout", "60s"}, services...)...)
		if err == nil || time.Since(since) > time.Minute || ctx.Err() != nil {
			return err
		}
	}
}

// survivors counts the services that have the process which they had, and those
// with more than one. One was restarted by request.
func (o *outlived) survivors(before, after map[string][]resident, restarted string) int {
	alive := 0
	for id, was := range before {
		now := after[id]
		switch {
		case len(now) > 1:
			o.double++
			o.bad = append(o.bad, fmt.Sprintf("%s runs more than once: %v", id, now))
		case len(now) == 0:
			o.bad = append(o.bad, id+" does not run")
		case now[0].instance == was[0].instance || id == restarted:
			alive++
		default:
			o.bad = append(o.bad, fmt.Sprintf("%s runs as %v, before as %v", id, now[0], was[0]))
		}
	}
	return alive
}

// leaders are the processes of services now.
func leaders(c *census) (map[string][]resident, error) {
	all, err := c.take()
	byService := map[string][]resident{}
	for _, r := range all {
		if r.service != "" {
			byService[r.service] = append(byService[r.service], r)
		}
	}
	return byService, err
}
