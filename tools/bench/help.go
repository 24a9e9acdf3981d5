package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/creack/pty"
)

// help measures `launcher --help` with a pipe and on a pseudo-terminal that
// answers nothing.
func (b *bench) help(ctx context.Context) error {
	launcher, err := b.goBuild(ctx, "./launcher", "launcher")
	if err != nil {
		return err
	}
	var pipe, silent []time.Duration
	for range b.n {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, launcher, "--help").CombinedOutput(); err != nil {
			return fmt.Errorf("launcher --help: %w\n%s", err, out)
		}
		pipe = append(pipe, time.Since(began))

		took, err := onTerminal(exec.CommandContext(ctx, launcher, "--help"))
		if err != nil {
			return err
		}
		silent = append(silent, took)
	}
	fmt.Fprintf(b.out, "launcher --help, median of %d (at most 50 ms)\n  to a pipe                 %s\n  to a silent terminal      %s\n", b.n, ms(median(pipe)), ms(median(silent)))
	return nil
}

// onTerminal runs a command on a new pseudo-terminal and only reads from it.
func onTerminal(cmd *exec.Cmd) (time.Duration, error) {
	began := time.Now()
	terminal, err := pty.Start(cmd)
	if err != nil {
		return 0, err
	}
	defer terminal.Close()
	go func() {
		buffer := make([]byte, 4096)
		for {
			if _, err := terminal.Read(buffer); err != nil {
				return // the other side closed
			}
		}
	}()
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("launcher --help on a terminal: %w", err)
	}
	return time.Since(began), nil
}
