//go:build linux

package runner

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/process"
)

func TestStop(t *testing.T) {
	b := start(t, nil)
	for _, tt := range []struct {
		name, program string
		args          []string
		change        func(*process.Command)
		want          process.Exit
		lines         []string
	}{
		{"polite", "polite", nil, nil, process.Exit{}, []string{"waiting", "got terminated"}},
		{"another signal", "polite", nil, func(c *process.Command) { c.StopSignal = syscall.SIGINT }, process.Exit{}, []string{"waiting", "got interrupt"}},
		{"default", "wait", nil, nil, process.Exit{Code: -1, Signal: "SIGTERM"}, []string{"waiting"}},
		{"stubborn", "stubborn", nil, func(c *process.Command) { c.StopTimeout = 50 * time.Millisecond }, process.Exit{Code: -1, Signal: "SIGKILL"}, []string{"waiting"}},
	} {
		c := b.command("one", tt.program, tt.args...)
		if tt.change != nil {
			tt.change(&c)
		}
		os.Remove(c.Stdout)
		p := b.start(c)
		eventually(t, "it waits", func() bool { return strings.HasSuffix(b.log("one"), "waiting\n") })
		if err := p.Stop(context.Background()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		x := p.Exit()
		if x.Code != tt.want.Code || x.Signal != tt.want.Signal || !slices.Equal(x.LastLines, tt.lines) {
			t.Errorf("%s: exit %+v, want %+v", tt.name, x, tt.want)
		}
		if names := left(t, b.dir); len(names) != 0 {
			t.Errorf("%s: left %q", tt.name, names)
		}
		if err := p.Stop(context.Background()); err != nil {
			t.Errorf("%s: a second stop: %v", tt.name, err)
		}
	}
}

func TestStopNow(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "stubborn")
	b.line("one", Stdout, "waiting")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := p.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	<-p.(*proc).stop // one of them has asked
	cancel()
	wg.Wait()
	if x := p.Exit(); x.Signal != "SIGKILL" {
		t.Errorf("exit %+v", x)
	}
}

func TestStopSuspended(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "polite")
	b.line("one", Stdout, "waiting")
	syscall.Kill(p.PID(), syscall.SIGSTOP)
	if err := p.Stop(context.Background()); err != nil || !p.Exit().OK() {
		t.Errorf("stop: %v, exit %+v", err, p.Exit())
	}
}

// Children in the group, and children in a session of their own, go too.
func TestStopDescendants(t *testing.T) {
	for _, program := range []string{"family", "fugitive"} {
		b := start(t, nil)
		c := b.command("one", program)
		c.StopTimeout = 300 * time.Millisecond
		p := b.start(c)
		child := b.pid("one", "child ")
		b.line("one", Stdout, "waiting")
		bystander := b.run("two", "wait")
		if err := p.Stop(context.Background()); err != nil {
			t.Errorf("%s: %v", program, err)
		}
		if running(p.PID()) || running(child) {
			t.Errorf("%s: running %v, its child %v", program, running(p.PID()), running(child))
		}
		if !running(bystander.PID()) {
			t.Errorf("%s: a bystander was ended", program)
		}
	}
}

// A descendant that overwrote its environment and changed its session still has
// the FIFO.
func TestStopDisguised(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "x")
	c.Path, c.Args = "/bin/sh", []string{"-c", "setsid env -i sh -c 'echo child $$; exec sleep 600' & wait"}
	c.StopTimeout = 200 * time.Millisecond
	p := b.start(c)
	child := b.pid("one", "child ")
	if err := p.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if running(child) {
		t.Error("the child runs on")
	}
}

// What a leader that ended by itself leaves behind goes before it is done; what
// changed its session goes soon.
func TestLeftBehind(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "family", "leave")
	child := b.pid("one", "child ")
	if x := wait(t, p); x.Code != 3 || running(child) {
		t.Errorf("exit %+v, child running %v", x, running(child))
	}
	p = b.run("two", "fugitive", "leave")
	child = b.pid("two", "child ")
	if x := wait(t, p); x.Code != 3 {
		t.Errorf("exit %+v", x)
	}
	eventually(t, "the fugitive is ended", func() bool { return !running(child) })
}

// Stopping what crashed waits until its fugitives are gone.
func TestStopAfterCrash(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "fugitive", "leave")
	child := b.pid("one", "child ")
	wait(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Stop(ctx); err != nil || running(child) {
		t.Errorf("stop: %v, child running %v", err, running(child))
	}
	if p.Exit().Code != 3 {
		t.Errorf("exit %+v", p.Exit())
	}
}

// A shell that forks without end is ended with all it forked.
func TestStopForker(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "x")
	c.Path, c.Args = "/bin/sh", []string{"-c", "trap '' TERM; echo waiting; while :; do sleep 0.05 & done"}
	c.StopTimeout = 50 * time.Millisecond
	p := b.start(c)
	b.line("one", Stdout, "waiting")
	if err := p.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if m := b.scans.find(p.(*proc).wanted()); len(m) != 0 {
		t.Errorf("left: %v", m)
	}
}

func TestStopMany(t *testing.T) {
	b := start(t, nil)
	var ps []process.Process
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		ps = append(ps, b.run(id, "wait"))
	}
	var wg sync.WaitGroup
	for _, p := range ps {
		wg.Go(func() {
			if err := p.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if names := left(t, b.dir); len(names) != 0 {
		t.Errorf("left %q", names)
	}
}

// A runner that lets go during a stop says so.
func TestStopInterrupted(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "stubborn")
	c.StopTimeout = time.Minute
	p := b.start(c)
	b.line("one", Stdout, "waiting")
	failed := make(chan error)
	go func() { failed <- p.Stop(context.Background()) }()
	<-p.(*proc).stop
	b.stop()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "the runner has ended before it was gone") {
		t.Errorf("error %v", err)
	}
	if !running(p.PID()) {
		t.Error("it was ended")
	}
	b = startIn(t, b.dir, b.logs, nil)
	if again := b.adopt("one"); again == nil || again.PID() != p.PID() {
		t.Errorf("adopted %v", again)
	}
}

// On kernels before 6.9 no pidfd stands for a process group.
func TestSignalMembers(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "family")
	child := b.pid("one", "child ")
	b.line("one", Stdout, "waiting")
	p.(*proc).signalMembers(syscall.SIGKILL)
	wait(t, p)
	eventually(t, "the child is ended", func() bool { return !running(child) })
}

func TestLogMovedAway(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	b := start(t, func(o *Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	later := func() { mu.Lock(); defer mu.Unlock(); now = now.Add(2 * time.Second) }
	c := b.command("one", "x")
	c.Path, c.Args = "/bin/sh", []string{"-c", "echo a; while [ ! -e go1 ]; do sleep 0.01; done; echo b; while [ ! -e go2 ]; do sleep 0.01; done; echo c; while [ ! -e go3 ]; do sleep 0.01; done; echo d"}
	c.Env = os.Environ()
	p := b.start(c)
	step := func(name string) {
		later()
		if err := os.WriteFile(filepath.Join(c.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.line("one", Stdout, "a")
	if err := os.Rename(c.Stdout, c.Stdout+".moved"); err != nil {
		t.Fatal(err)
	}
	step("go1")
	b.line("one", Stdout, "b")
	if err := os.Truncate(c.Stdout, 0); err != nil {
		t.Fatal(err)
	}
	step("go2")
	b.line("one", Stdout, "c")
	if err := os.Remove(c.Stdout); err != nil {
		t.Fatal(err)
	}
	step("go3")
	wait(t, p)
	if got := b.log("one"); got != "d\n" {
		t.Errorf("log %q", got)
	}
	if moved, err := os.ReadFile(c.Stdout + ".moved"); err != nil || string(moved) != "a\n" {
		t.Errorf("moved away: %q %v", moved, err)
	}
}
