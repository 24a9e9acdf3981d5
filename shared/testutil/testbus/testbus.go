package testbus

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
)

// Node is the node that a test's bus belongs to.
const Node events.Node = "local"

// Bus is a bus on a port that stays the same over restarts.
type Bus struct {
	t      testing.TB
	config server.Config
	stop   func()
}

// Start runs a bus that knows the given sources and the operator.
func Start(t testing.TB, sources ...events.Source) *Bus {
	t.Helper()
	b := &Bus{t: t, config: server.Config{Node: Node, Store: server.Memory, Keys: t.TempDir()}}
	for _, s := range append(sources, events.Busd, events.Operator) {
		if err := bus.Mint(b.config.Keys, s); err != nil {
			t.Fatal(err)
		}
	}
	for attempt := 1; ; attempt++ {
		// Not one that the kernel hands out: while the bus is down it would give the port
		// to anybody, even to a client that dials it.
		port, err := ports.Free("tcp")
		if err != nil {
			t.Fatal(err)
		}
		b.config.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if err = b.up(); err == nil {
			break
		}
		if attempt == attempts {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.Down)
	return b
}

// attempts is how often a port is chosen: another process may choose it too.
const attempts = 5

// Up brings the bus back, empty.
func (b *Bus) Up() {
	b.t.Helper()
	if err := b.up(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Bus) up() error {
	s, err := server.New(b.config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		cancel()
		return fmt.Errorf("the bus did not start: %w", err)
	}
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the bus ended: %v", err)
		}
	})
	return nil
}

// Down ends the bus.
func (b *Bus) Down() { b.stop() }

// Restart ends the bus and brings it back, empty.
func (b *Bus) Restart() {
	b.t.Helper()
	b.Down()
	b.Up()
}

// URL is where clients connect.
func (b *Bus) URL() string { return "nats://" + b.config.Listen }

// Keys is the directory with the credentials.
func (b *Bus) Keys() string { return b.config.Keys }

// Seed is the file with a source's credential.
func (b *Bus) Seed(s events.Source) string { return bus.SeedFile(b.config.Keys, s) }

// Connect connects a source until the test ends.
func (b *Bus) Connect(s events.Source) *bus.Conn {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	c, err := bus.Connect(ctx, bus.Options{URL: b.URL(), Name: string(s), Seed: b.Seed(s)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// Clock is for goleak, of a test binary that runs a bus: the clock that all stores of a
// process share stays where a stream was made in the moment in which its server shut
// down.
func Clock() goleak.Option {
	return goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1")
}
