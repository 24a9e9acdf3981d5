// Command bench measures the platform side by side with its peers, in one run,
// and reports ratios. It is not a test: figures depend on the machine.
//
//	go run ./tools/bench boot         up and down against a stock nats-server and a stock Caddy
//	go run ./tools/bench idle         CPU and memory of an idle node
//	go run ./tools/bench help         launcher --help, on a silent pseudo-terminal too
//	go run ./tools/bench transcripts  N boots tell one story, with and without load
//	go run ./tools/bench supervise    200 and 1,000 services against the supervisors on PATH
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
