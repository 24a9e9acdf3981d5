package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// children finds the processes that run one command, whoever started them.
type children struct {
	cmdline []byte
	known   map[int]bool // looked at already: of no interest, or in live
	live    map[int]bool
}

func newChildren(command []string) *children {
	var line bytes.Buffer
	for _, arg := range command {
		line.WriteString(arg)
		line.WriteByte(0)
	}
	return &children{cmdline: line.Bytes(), known: map[int]bool{}, live: map[int]bool{}}
}

// look adds the processes that are new. One that has not called exec yet is
// looked at again.
func (c *children) look() {
	dir, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || c.known[pid] {
			continue
		}
		line, err := os.ReadFile("/proc/" + name + "/cmdline")
		switch {
		case err != nil:
		case bytes.Equal(line, c.cmdline):
			c.known[pid], c.live[pid] = true, true
		default:
			// What forks and has not called exec yet has its parent's line: look
			// again, but not at what has been there for long.
			if info, err := os.Stat("/proc/" + name); err == nil && time.Since(info.ModTime()) > 2*time.Second {
				c.known[pid] = true
			}
		}
	}
}

// glance is the time between two looks: each reads what is new in /proc, which the
// two cores that are measured have to pay for.
const glance = 10 * time.Millisecond

// await returns when n of them run.
func (c *children) await(ctx context.Context, n int) error {
	limit := time.Now().Add(3 * time.Minute)
	for {
		if c.look(); len(c.live) >= n {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%d of %d children after 3 minutes", len(c.live), n)
		}
		if err := pause(ctx, glance); err != nil {
			return err
		}
	}
}

// replace kills one and returns how long it takes for another to run.
func (c *children) replace(ctx context.Context) (time.Duration, error) {
	var victim int
	for victim = range c.live {
		break
	}
	n := len(c.live)
	delete(c.live, victim)
	began := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		return 0, err
	}
	for len(c.live) < n {
		if time.Since(began) > 10*time.Second {
			return 0, fmt.Errorf("child %d was killed and is not replaced", victim)
		}
		c.look()
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}
