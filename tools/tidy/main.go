// Command tidy runs `go mod tidy` in every module of the workspace.
//
// `go mod tidy` ignores go.work and cannot find the unpublished modules of this
// repository, so tidy first packs the working tree into a file-system module
// proxy and puts that before the ordinary one. With -check it changes nothing
// and fails when a go.mod or go.sum is not tidy.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"core.internal/tools/internal/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout *os.File) error {
	check := len(args) == 1 && args[0] == "-check"
	if len(args) > 0 && !check {
		return fmt.Errorf("unknown argument %q: the only one is -check", args[0])
	}
	ws, err := workspace.Find(".")
	if err != nil {
		return err
	}
	return tidy(ctx, ws, check, stdout)
}
