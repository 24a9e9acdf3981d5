package bus_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

const node events.Node = "local"

// broker is a real bus that a test may take away and bring back.
type broker struct {
	t      testing.TB
	config server.Config
	*server.Server
	stop func()
}

// start runs a bus with keys for the given sources; its listener stays the same
// over restarts.
func start(t testing.TB, store string, sources ...events.Source) *broker {
	t.Helper()
	// Not a port that the kernel hands out: it would while the bus is down.
	port, err := ports.Free("tcp")
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, config: server.Config{
		Node: node, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Store: store, StoreDir: t.TempDir(), Keys: t.TempDir(), Log: logger(t),
	}}
	for _, s := range append(sources, events.Busd, events.Operator) {
		if err := bus.Mint(b.config.Keys, s); err != nil {
			t.Fatal(err)
		}
	}
	b.up()
	t.Cleanup(func() { b.down() })
	return b
}

func (b *broker) up() {
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
		b.t.Fatalf("the bus did not start: %v", err)
	}
	b.Server = s
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the bus ended: %v", err)
		}
	})
}

func (b *broker) down() { b.stop() }

// again is a restart: with a memory store everything is lost.
func (b *broker) again() {
	b.t.Helper()
	b.down()
	b.up()
}

func (b *broker) options(name events.Source) bus.Options {
	return bus.Options{
		URL: "nats://" + b.config.Listen, Name: string(name),
		Seed: bus.SeedFile(b.config.Keys, name), Log: logger(b.t),
	}
}

func (b *broker) connect(name events.Source) *bus.Conn {
	b.t.Helper()
	c, err := bus.Connect(testContext(b.t), b.options(name))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// publisher runs an outbox until the test ends.
func (b *broker) publisher(c *bus.Conn, name events.Source) *bus.Publisher {
	b.t.Helper()
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: name, Log: logger(b.t)})
	testproc.Background(b.t, func(ctx context.Context) error { return p.Run(ctx, c) })
	return p
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func logger(t testing.TB) *slog.Logger {
	level := slog.LevelError + 1
	if os.Getenv("CORE_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

func flush(t testing.TB, p *bus.Publisher) {
	t.Helper()
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// facts returns what is on the log, as "seq source.entity type".
func facts(t testing.TB, c *bus.Conn) []string {
	t.Helper()
	var got []string
	for r, err := range c.Events().Read(testContext(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, string(e.Source)+"."+string(e.Entity)+" "+string(e.Type))
	}
	return got
}

// streamed waits until a stream is as wanted; what says it in words.
func streamed(t *testing.T, root *bus.Conn, stream, what string, ok func(jetstream.StreamState) bool) {
	t.Helper()
	testproc.Eventually(t, "the bus has "+what, func() bool {
		s, err := root.JS.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		return ok(s.CachedInfo().State)
	})
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
