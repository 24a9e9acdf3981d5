package testbus

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
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
	b := &Bus{t: t, config: server.Config{
		Node: Node, Listen: "127.0.0.1:0", Store: server.Memory, Keys: t.TempDir(),
	}}
	for _, s := range append(sources, events.Busd, events.Operator) {
		if err := bus.Mint(b.config.Keys, s); err != nil {
			t.Fatal(err)
		}
	}
	b.Up()
	t.Cleanup(b.Down)
	return b
}

// Up brings the bus back, empty.
func (b *Bus) Up() {
	b.t.Helper()
	s, err := server.New(b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		cancel()
		b.t.Fatalf("the bus did not start: %v", err)
	}
	b.config.Listen = strings.TrimPrefix(s.ClientURL(), "nats://")
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the bus ended: %v", err)
		}
	})
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
