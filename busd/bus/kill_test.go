package bus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	busd "core.internal/busd/bus"
	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// The test binary is also busd.
func TestMain(m *testing.M) {
	testproc.Main(testproc.Programs{"busd": func([]string) { daemon.Main(busd.Definition()) }})
	goleak.VerifyTestMain(m, testbus.Clock())
}

// spawn runs busd as a process of its own, on a port that somebody chose.
func spawn(t *testing.T, root, listen, store string) (p *process, kill func()) {
	t.Helper()
	p = &process{t: t}
	cmd := testproc.Command(t, "busd", "--root", root, "--bus.listen", listen, "--bus.store", store, "--log.format", "json")
	cmd.Stderr = p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	p.line("ready")
	return p, kill
}

// TestKilled: busd is killed again and again while facts are stated. With its
// files each fact stays in its place; without, the state comes back.
func TestKilled(t *testing.T) {
	for _, store := range []string{"file", "memory"} {
		t.Run(store, func(t *testing.T) { killed(t, store) })
	}
}

func killed(t *testing.T, store string) {
	root := t.TempDir()
	p, kill := spawn(t, root, "127.0.0.1:0", store)
	line := p.line("the bus answers")
	url := line["url"].(string)
	keys := strings.TrimSuffix(line["operator"].(string), "/operator.nk")
	connect := func(s events.Source) *bus.Conn {
		c, err := bus.Connect(t.Context(), bus.Options{URL: url, Name: string(s), Seed: bus.SeedFile(keys, s)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	procd, operator := connect(events.Procd), connect(events.Operator)
	facts := bus.NewPublisher(bus.PublisherOptions{Node: "local", Source: events.Procd, OnConflict: func(e *events.ConflictError) { t.Error(e) }})
	view := bus.NewView(operator, "local")
	done := make(chan struct{}, 2)
	work, end := context.WithCancel(ctx)
	go func() { facts.Run(work, procd); done <- struct{}{} }()
	go func() { view.Run(work); done <- struct{}{} }()
	defer func() { end(); <-done; <-done }()

	const rounds, each = 4, 50
	n := 0
	state := func() {
		for range each {
			n++
			facts.State(events.Entity(fmt.Sprint("s", n%7)), events.ServiceStopped{Reason: fmt.Sprint(n)}, "")
		}
	}
	for range rounds {
		state()
		kill() // with facts on their way
		state()
		_, kill = spawn(t, root, strings.TrimPrefix(url, "nats://"), store)
		if err := facts.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	changed := view.Changed()
	for i := range 7 {
		service := events.Entity(fmt.Sprint("s", i))
		want := fmt.Sprint(n - (n-i)%7)
		for view.State().Services[service].Reason != want {
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("%s is %q, want %q", service, view.State().Services[service].Reason, want)
			}
		}
	}
	if store == "file" {
		complete(t, operator, n)
	}
}

// complete fails where the log does not have procd's n facts in their order.
func complete(t *testing.T, c *bus.Conn, n int) {
	t.Helper()
	next := 1
	for r, err := range c.Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if e.Source != events.Procd {
			continue
		}
		b, err := events.As[events.ServiceStopped](e)
		if err != nil || b.Reason != fmt.Sprint(next) {
			t.Fatalf("sequence %d has fact %q, want %d (%v)", r.Seq, b.Reason, next, err)
		}
		next++
	}
	if next-1 != n {
		t.Errorf("the log has %d facts, want %d", next-1, n)
	}
}
