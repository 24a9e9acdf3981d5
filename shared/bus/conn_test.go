package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

func TestConnectWaits(t *testing.T) {
	b := start(t, "memory")
	b.down()
	tried := make(chan int, 1000)
	o := b.options(events.Operator)
	o.Waiting = func(attempt int, err error) {
		if err == nil {
			t.Error("a failed attempt without its error")
		}
		tried <- attempt
	}
	type result struct {
		c   *bus.Conn
		err error
	}
	done := make(chan result, 1)
	ctx := testContext(t)
	go func() {
		c, err := bus.Connect(ctx, o)
		done <- result{c, err}
	}()
	for want := 1; want <= 3; want++ {
		if got := <-tried; got != want {
			t.Errorf("attempt %d, want %d", got, want)
		}
	}
	b.up()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.c.Close()
}

func TestConnectGivesUp(t *testing.T) {
	o := bus.Options{URL: "nats://" + freeAddress(t), Name: "alpha"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, o)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "is busd running there?") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

// TestConnectSilent: a peer that accepts and says nothing holds nobody longer
// than the context.
func TestConnectSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = bus.Connect(ctx, bus.Options{URL: "nats://" + l.Addr().String(), Name: "alpha"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestConnectRefused(t *testing.T) {
	b := start(t, "memory")
	other := t.TempDir()
	if err := bus.Mint(other, "alpha"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, seed, want string
	}{
		{"unknown key", bus.SeedFile(other, "alpha"), "the public key of " + bus.SeedFile(other, "alpha") + " has to be in the bus's key directory"},
		{"no key", "", "name the file with its nkey seed (bus.seed-file)"},
	} {
		o := b.options("alpha")
		o.Seed = c.seed
		o.Waiting = func(int, error) { t.Errorf("%s: it was tried again", c.name) }
		_, err := bus.Connect(testContext(t), o)
		var refused *bus.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestConnectBadOptions(t *testing.T) {
	dir := t.TempDir()
	if err := bus.Mint(dir, "alpha"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(bus.SeedFile(dir, "alpha"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    bus.Options
		want string
	}{
		{bus.Options{Name: "a b"}, `connect to the bus: the name "a b" has ' '`},
		{bus.Options{Name: "beta", Seed: bus.SeedFile(dir, "beta")}, "run the launcher once, or busd alone, to mint it"},
		{bus.Options{Name: "alpha", Seed: bus.SeedFile(dir, "alpha")}, "has mode 0640 and others may read it"},
	} {
		if _, err := bus.Connect(testContext(t), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestReconnectsAfterRefusal: a connection whose credential is refused for a
// while comes back when it is good again.
func TestReconnectsAfterRefusal(t *testing.T) {
	b := start(t, "memory", "alpha")
	c := b.connect("alpha")
	b.down()
	public := bus.PublicFile(b.config.Keys, "alpha")
	key, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(public); err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 100)
	b.config.Refused = func(events.ClientRefused) { refused <- struct{}{} }
	b.up()
	<-refused
	<-refused
	back := c.NC.StatusChanged(nats.CONNECTED)
	if err := os.WriteFile(public, key, 0o644); err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
	case <-testContext(t).Done():
		t.Fatal("it did not come back")
	}
}

// A seed that is damaged while the connection stands is said once, not for ever,
// and keeps nobody from coming back when it is whole again.
func TestDamagedSeed(t *testing.T) {
	b := start(t, "memory", "alpha")
	file := bus.SeedFile(b.config.Keys, "alpha")
	said := make(logChannel, 100)
	o := b.options("alpha")
	o.Log = slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelError}))
	c, err := bus.Connect(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(seed []byte) {
		if err := errors.Join(os.WriteFile(file+".new", seed, 0o600), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	write(seed[:20])
	b.down()
	b.up()
	if line := <-said; !strings.Contains(line, "cannot connect to the bus") || !strings.Contains(line, file+" is no nkey seed of a user") {
		t.Errorf("it says %s", line)
	}
	back := c.NC.StatusChanged(nats.CONNECTED)
	write(seed)
	select {
	case <-back:
	case <-testContext(t).Done():
		t.Fatal("it did not come back")
	}
	if len(said) > 0 {
		t.Errorf("it says it again: %s", <-said)
	}
}

// logChannel has what is written to it.
type logChannel chan string

func (c logChannel) Write(b []byte) (int, error) {
	c <- string(b)
	return len(b), nil
}

func TestEnsurePlatform(t *testing.T) {
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			b := start(t, store)
			c := b.connect(events.Busd)
			ctx := testContext(t)
			s := bus.Store{File: store == "file"}
			stream, err := c.JS.Stream(ctx, events.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			want := stream.CachedInfo().Config
			if _, err := c.JS.Publish(ctx, "core.event.a.b.c.d", []byte("x")); err != nil {
				t.Fatal(err)
			}
			changed := want
			changed.MaxBytes, changed.MaxAge = 1<<20, time.Hour
			if _, err := c.JS.UpdateStream(ctx, changed); err != nil {
				t.Fatal(err)
			}
			if err := c.JS.DeleteStream(ctx, events.KVStream(events.BucketRoutes)); err != nil {
				t.Fatal(err)
			}
			if err := bus.EnsurePlatform(ctx, c.JS, s); err != nil {
				t.Fatal(err)
			}
			info, err := stream.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if info.Config.MaxBytes != want.MaxBytes || info.Config.MaxAge != want.MaxAge || info.State.Msgs != 1 {
				t.Errorf("the stream has %d bytes, age %v and %d messages", info.Config.MaxBytes, info.Config.MaxAge, info.State.Msgs)
			}
			if _, err := c.Bucket(ctx, events.BucketRoutes); err != nil {
				t.Error(err)
			}
			for _, name := range []string{events.StreamLogs, events.KVStream(events.BucketPresence)} {
				stream, err := c.JS.Stream(ctx, name)
				if err != nil || stream.CachedInfo().Config.Storage != jetstream.MemoryStorage {
					t.Errorf("%s is not in memory: %v", name, err)
				}
			}
		})
	}
}

func TestBucketMissing(t *testing.T) {
	b := start(t, "memory", "alpha")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.connect(events.Busd).Bucket(ctx, "svc_nobody")
	if err == nil || !strings.HasPrefix(err.Error(), "open bucket svc_nobody: ") {
		t.Errorf("got %v", err)
	}
}
