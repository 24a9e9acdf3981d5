package main

import (
	"context"
	"fmt"
	"time"
)

// boot compares a whole node with the two servers it embeds, interleaved.
func (b *bench) boot(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	nats, err := b.goBuild(ctx, "github.com/nats-io/nats-server/v2", "nats-server")
	if err != nil {
		return err
	}
	caddy, err := b.goBuild(ctx, "github.com/caddyserver/caddy/v2/cmd/caddy", "caddy")
	if err != nil {
		return err
	}
	var core, coreDown, natsUp, natsDown, caddyUp, caddyDown []time.Duration
	stages := map[string][]time.Duration{}
	var order []string
	for range b.n {
		up, down, err := b.natsOnce(ctx, nats)
		if err != nil {
			return err
		}
		natsUp, natsDown = append(natsUp, up), append(natsDown, down)
		if up, down, err = b.caddyOnce(ctx, caddy); err != nil {
			return err
		}
		caddyUp, caddyDown = append(caddyUp, up), append(caddyDown, down)
		n, err := b.start(ctx, launcher)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := n.stop(); err != nil {
			return err
		}
		core, coreDown = append(core, n.up), append(coreDown, time.Since(began))
		order = order[:0]
		for _, s := range n.stages {
			order = append(order, s.Stage)
			stages[s.Stage] = append(stages[s.Stage], s.Took)
		}
	}
	fmt.Fprintf(b.out, "median of %d, interleaved\n%-24s %12s %12s\n", b.n, "", "up", "down")
	row := func(name string, up, down time.Duration) {
		fmt.Fprintf(b.out, "%-24s %12s %12s\n", name, ms(up), ms(down))
	}
	peersUp, peersDown := median(natsUp)+median(caddyUp), median(natsDown)+median(caddyDown)
	row("nats-server, stock", median(natsUp), median(natsDown))
	row("caddy, stock", median(caddyUp), median(caddyDown))
	row("their sum", peersUp, peersDown)
	row("core, whole node", median(core), median(coreDown))
	fmt.Fprintf(b.out, "%-24s %11.2f× %11.2f×   (at most 3×, and 600 ms)\n", "ratio",
		float64(median(core))/float64(peersUp), float64(median(coreDown))/float64(peersDown))
	fmt.Fprintf(b.out, "slowest of %d: up %s, down %s\n\nstages, median:\n", b.n, ms(core[len(core)-1]), ms(coreDown[len(coreDown)-1]))
	for _, s := range order {
		fmt.Fprintf(b.out, "  %-12s %10s\n", s, ms(median(stages[s])))
	}
	return nil
}
