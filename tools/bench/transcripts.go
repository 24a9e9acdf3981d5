package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"core.internal/shared/events"
)

// transcripts boots N times in peace and N times with every core busy, and
// compares what the nodes stated.
func (b *bench) transcripts(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	var first []string
	for _, load := range []bool{false, true} {
		stop := func() {}
		if load {
			stop = burn()
		}
		for i := range b.n {
			t, err := b.transcript(ctx, launcher)
			if err != nil {
				stop()
				return fmt.Errorf("boot %d (load %t): %w", i+1, load, err)
			}
			if first == nil {
				first = t
			}
			if !slices.Equal(first, t) {
				stop()
				return fmt.Errorf("boot %d (load %t) told another story:\n%s", i+1, load, difference(first, t))
			}
		}
		stop()
		fmt.Fprintf(b.out, "%d boots, load on every core %t: one transcript of %d facts\n", b.n, load, len(first))
	}
	return nil
}

// transcript brings a node up, asks it for its normalized transcript, and takes
// it down.
func (b *bench) transcript(ctx context.Context, launcher string) ([]string, error) {
	n, err := b.start(ctx, launcher)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, launcher, "events", "--root", n.root, "--output", "jsonl")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if serr := n.stop(); err == nil {
		err = serr
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(launcher), err)
	}
	var facts []events.Envelope
	for line := range strings.Lines(string(text)) {
		var e events.Envelope
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%s events printed %q: %w", filepath.Base(launcher), line, err)
		}
		facts = append(facts, e)
	}
	return events.Transcript(facts), nil
}

// burn keeps every core busy until the returned function is called.
func burn() func() {
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range runtime.NumCPU() {
		wait.Go(func() {
			for !stop.Load() {
				// busy on purpose
			}
		})
	}
	return func() {
		stop.Store(true)
		wait.Wait()
	}
}

func difference(a, b []string) string {
	var out strings.Builder
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			fmt.Fprintf(&out, "line %d\n  first: %s\n  now:   %s\n", i+1, x, y)
			if out.Len() > 2000 {
				break
			}
		}
	}
	return out.String()
}
