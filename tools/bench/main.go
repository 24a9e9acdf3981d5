// Command bench measures the platform side by side with its peers, in one run,
// and reports ratios. It is not a test: figures depend on the machine.
//
//	go run ./tools/bench boot         up and down against a stock nats-server and a stock Caddy
//	go run ./tools/bench idle         CPU and memory of an idle node, or of one with services and health checks
//	go run ./tools/bench help         launcher --help, on a silent pseudo-terminal too
//	go run ./tools/bench transcripts  N boots tell one story, with and without load
//	go run ./tools/bench supervise    200 and 1,000 services against the supervisors on PATH
//	go run ./tools/bench logs         output through to a file, against the loggers on PATH
//	go run ./tools/bench outlive      kill -9 of procd, busd and the launcher with services at work
//	go run ./tools/bench soak         random kills for a time; then all is as it is wanted
//
// VERB -h tells the flags. Where the project has set itself a bar it is printed
// beside the figure, as met or not met. transcripts, logs, outlive and soak fail
// where something is wrong, whatever the figures.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
