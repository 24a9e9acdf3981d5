package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// chaos says who is killed, and how often.
type chaos struct {
	seed    uint64
	every   time.Duration // between kills of services, on average
	daemons string
	rest    time.Duration // between kills of daemons, on average
	settle  time.Duration // for everything to be as it is wanted afterwards
}

func soakFlags(f *flag.FlagSet, b *bench) {
	f.IntVar(&b.service.n, "services", 1000, "how many services")
	f.DurationVar(&b.seconds, "for", 5*time.Minute, "how long to kill")
	f.Uint64Var(&b.chaos.seed, "seed", 1, "of what is killed when")
	f.DurationVar(&b.chaos.every, "every", 100*time.Millisecond, "between two kills of a service, on average")
	f.StringVar(&b.chaos.daemons, "daemons", "procd,busd", "which daemons are killed: any of procd, busd, caddyd, pipelined")
	f.DurationVar(&b.chaos.rest, "rest", 5*time.Second, "between two kills of a daemon, on average")
	f.DurationVar(&b.chaos.settle, "settle", 2*time.Minute, "how long the node may take to be whole again")
	f.StringVar(&b.store, "store", "memory", "of the bus: memory or file")
}

// soak kills at random for a time. In the end every service is as it is wanted
// and was started again as often as it was killed, and no process is there that
// the state does not name.
func (b *bench) soak(ctx context.Context) error {
	kills, err := plan(b.chaos, b.service.n, b.seconds)
	if err != nil {
		return err
	}
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	specs, err := os.MkdirTemp(b.dir, "specs-")
	if err != nil {
		return err
	}
	for i := range b.service.n {
		if err := writeSpec(specs, serviceName(i), daemonSpec(idleCommand)); err != nil {
			return err
		}
	}
	n, err := b.start(ctx, launcher, "--profile", profile, "--specs", specs, "--bus.store", b.store)
	if err != nil {
		return err
	}
	s := newSiege(n, b.service.n)
	err = s.run(ctx, kills)
	var wrong []string
	if err == nil {
		wrong, err = s.judge(ctx, b.chaos.settle)
	}
	if err != nil || len(wrong) > 0 {
		fmt.Fprintln(b.notes, n.lastWords())
	}
	if err = errors.Join(err, n.stop()); err != nil {
		return err
	}
	left, err := s.people.take()
	for _, r := range left {
		wrong = append(wrong, fmt.Sprintf("after the node is down there is %s", r))
	}
	s.report(b, len(wrong))
	if len(wrong) > 0 {
		shown := wrong[:min(len(wrong), 50)]
		return fmt.Errorf("%d things are not as they should be, the first:\n%s", len(wrong), strings.Join(shown, "\n"))
	}
	return err
}

// report prints what was done and what came of it.
func (s *siege) report(b *bench, wrong int) {
	fmt.Fprintf(b.out, "soak of %d services for %s, seed %d, bus in %s\n", b.service.n, b.seconds, b.chaos.seed, b.store)
	var victims []string
	for v := range s.killed {
		victims = append(victims, v)
	}
	slices.Sort(victims)
	for _, v := range victims {
		fmt.Fprintf(b.out, "  %-10s killed %5d times", v, s.killed[v])
		if s.missed[v] > 0 {
			fmt.Fprintf(b.out, ", not there %d times", s.missed[v])
		}
		fmt.Fprintln(b.out)
	}
	fmt.Fprintf(b.out, "  restarts   %d in the state, %d instances seen, each service at most %d times\n", s.restarts, s.instances, s.most)
	fmt.Fprintf(b.out, "  settled    %s after the last kill\n", ms(s.settled))
	verdict := "desired is observed for all, no orphan, no duplicate: met"
	if wrong > 0 {
		verdict = fmt.Sprintf("%d things are not as they should be: not met", wrong)
	}
	fmt.Fprintf(b.out, "  %s\n", verdict)
}
