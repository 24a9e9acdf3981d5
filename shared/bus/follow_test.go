package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// follower tells what a Follow does, as lines: "3", "live", "reset".
type follower struct {
	t     testing.TB
	lines chan string
}

func follow(t testing.TB, c *bus.Conn, f bus.Follow) *follower {
	t.Helper()
	w := &follower{t, make(chan string, 10_000)}
	f.Stream = events.StreamEvents
	f.Live = func() { w.lines <- "live" }
	f.Reset = func() { w.lines <- "reset" }
	testproc.Background(t, func(ctx context.Context) error {
		return c.Follow(ctx, f, func(r events.Record) error {
			w.lines <- fmt.Sprint(r.Seq)
			return nil
		})
	})
	return w
}

// want waits for lines, separated by spaces; "a-b" stands for the numbers from
// a to b. Where live is not wanted it is skipped.
func (w *follower) want(text string) {
	w.t.Helper()
	for _, want := range strings.Fields(text) {
		from, to := 0, 0
		if n, _ := fmt.Sscanf(want, "%d-%d", &from, &to); n == 2 {
			for i := from; i <= to; i++ {
				w.next(fmt.Sprint(i))
			}
			continue
		}
		w.next(want)
	}
}

func (w *follower) next(want string) {
	w.t.Helper()
	ctx := testContext(w.t)
	for {
		select {
		case got := <-w.lines:
			if got == "live" && want != "live" {
				continue
			}
			if got != want {
				w.t.Fatalf("got %s, want %s", got, want)
			}
			return
		case <-ctx.Done():
			w.t.Fatalf("nothing came, want %s", want)
		}
	}
}

// put stores n records on the subject of one service.
func put(t testing.TB, c *bus.Conn, n int) {
	t.Helper()
	for range n {
		if _, err := c.JS.Publish(testContext(t), "core.event.local.procd.alpha.stopped", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollow(t *testing.T) {
	b := start(t, "memory")
	root, c := b.connect(events.Busd), b.connect(events.Operator)
	put(t, root, 3)
	w := follow(t, c, bus.Follow{})
	w.want("1-3 live")
	put(t, root, 2)
	w.want("4-5")
	follow(t, c, bus.Follow{After: 4}).want("5 live")
	follow(t, c, bus.Follow{After: 5}).want("live")
	follow(t, c, bus.Follow{After: 9}).want("reset 1-5 live")
	follow(t, c, bus.Follow{Filter: events.EntityFacts(node, events.Procd, "beta")}).want("live")
	follow(t, c, bus.Follow{Filter: events.EntityFacts(node, events.Procd, "alpha")}).want("1-5 live")
	put(t, root, 600) // more than one pull
	w.want("6-605")
}

func TestFollowError(t *testing.T) {
	b := start(t, "memory")
	root := b.connect(events.Busd)
	put(t, root, 3)
	enough := errors.New("enough")
	n := 0
	err := root.Follow(testContext(t), bus.Follow{Stream: events.StreamEvents}, func(events.Record) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("got %v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	err = root.Follow(ctx, bus.Follow{Stream: events.StreamEvents}, func(r events.Record) error {
		if r.Seq == 2 {
			cancel()
		}
		if r.Seq > 2 {
			t.Error("a record came after the context's end")
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "follow CORE_EVENTS: ") {
		t.Errorf("got %v", err)
	}
	closed := b.connect(events.Operator)
	closed.Close()
	if err := closed.Follow(testContext(t), bus.Follow{Stream: events.StreamEvents}, nil); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("got %v", err)
	}
}

// TestFollowReconnect: a lost connection costs nothing.
func TestFollowReconnect(t *testing.T) {
	b := start(t, "memory")
	root, c := b.connect(events.Busd), b.connect(events.Operator)
	w := follow(t, c, bus.Follow{})
	w.want("live")
	for round := range 5 {
		put(t, root, 20)
		back := c.NC.StatusChanged(nats.CONNECTED)
		if err := c.NC.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		put(t, root, 20)
		<-back
		put(t, root, 20)
		w.want(fmt.Sprintf("%d-%d", round*60+1, round*60+60))
	}
}

// TestFollowRestartFile: a restarted server with its files goes on.
func TestFollowRestartFile(t *testing.T) {
	b := start(t, "file")
	root, c := b.connect(events.Busd), b.connect(events.Operator)
	put(t, root, 3)
	w := follow(t, c, bus.Follow{})
	fresh := follow(t, c, bus.Follow{After: 3})
	w.want("1-3 live")
	fresh.want("live")
	for round := range 3 {
		b.again()
		put(t, b.connect(events.Busd), 2)
		w.want(fmt.Sprintf("%d-%d", 4+2*round, 5+2*round))
		fresh.want(fmt.Sprintf("%d-%d", 4+2*round, 5+2*round))
	}
}

// TestFollowRestartMemory: a server that lost its memory is followed from its
// new beginning.
func TestFollowRestartMemory(t *testing.T) {
	b := start(t, "memory")
	c := b.connect(events.Operator)
	put(t, b.connect(events.Busd), 3)
	w := follow(t, c, bus.Follow{})
	idle := follow(t, c, bus.Follow{Filter: events.NodeFacts("elsewhere")})
	w.want("1-3 live")
	idle.want("live")
	for range 3 {
		b.again()
		put(t, b.connect(events.Busd), 5) // more than before
		w.want("reset 1-5")
		idle.want("reset live")
	}
}

// TestFollowReplacedStream: the stream may also be replaced under a connection
// that stays.
func TestFollowReplacedStream(t *testing.T) {
	b := start(t, "memory")
	root := b.connect(events.Busd)
	put(t, root, 3)
	w := follow(t, b.connect(events.Operator), bus.Follow{})
	w.want("1-3 live")
	ctx := testContext(t)
	if err := root.JS.DeleteStream(ctx, events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	w.want("reset")
	if err := bus.EnsurePlatform(ctx, root.JS, bus.Store{}); err != nil {
		t.Fatal(err)
	}
	put(t, root, 2)
	w.want("1-2")
}

// TestFollowLostTail: a stream of the same name and age that lost its latest
// records, as after a power cut without sync, is another one: also when it has
// meanwhile grown beyond what was read.
func TestFollowLostTail(t *testing.T) {
	b := start(t, "file")
	root := b.connect(events.Busd)
	put(t, root, 3)
	b.down()
	save := t.TempDir()
	if err := os.CopyFS(save, os.DirFS(b.config.StoreDir)); err != nil {
		t.Fatal(err)
	}
	b.up()
	c := b.connect(events.Operator)
	put(t, b.connect(events.Busd), 3)
	w := follow(t, c, bus.Follow{})
	some := follow(t, c, bus.Follow{Filter: events.EntityFacts(node, events.Procd, "alpha")})
	w.want("1-6 live")
	some.want("1-6 live")
	b.down()
	if err := os.RemoveAll(b.config.StoreDir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(b.config.StoreDir, os.DirFS(save)); err != nil {
		t.Fatal(err)
	}
	listen := b.config.Listen
	b.config.Listen = "" // others write before the follower is back
	b.up()
	o := b.options(events.Busd)
	o.InProcess = b.Server
	alone, err := bus.Connect(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.JS.Publish(testContext(t), "core.event.local.procd.beta.x", nil); err != nil {
		t.Fatal(err)
	}
	put(t, alone, 1)
	if _, err := alone.JS.Publish(testContext(t), "core.event.local.procd.beta.x", nil); err != nil {
		t.Fatal(err)
	}
	put(t, alone, 6)
	alone.Close()
	b.down()
	b.config.Listen = listen
	b.up()
	w.want("reset 1-12 live")
	some.want("reset 1-3 5 7-12 live")
}

func TestFollowAged(t *testing.T) {
	b := start(t, "memory")
	root := b.connect(events.Busd)
	put(t, root, 5)
	c := b.connect(events.Operator)
	w := follow(t, c, bus.Follow{})
	w.want("1-5 live")
	stream, err := root.JS.Stream(testContext(t), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	// What was read is gone by the stream's limits: no reason to begin anew.
	if err := stream.Purge(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.NC.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	w.want("live")
	put(t, root, 2)
	w.want("6-7")
}

// TestFollowLatest: a bucket is followed as what it holds.
func TestFollowLatest(t *testing.T) {
	b := start(t, "memory", events.Procd)
	kv, err := b.connect(events.Procd).Bucket(testContext(t), events.BucketDesired)
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := kv.Put(testContext(t), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	put("local.alpha", "1")
	put("local.beta", "2")
	put("local.alpha", "3")
	w, operator := &follower{t, make(chan string, 100)}, b.connect(events.Operator)
	testproc.Background(t, func(ctx context.Context) error {
		f := bus.Follow{Stream: events.KVStream(events.BucketDesired), Latest: true, Live: func() { w.lines <- "live" }}
		return operator.Follow(ctx, f, func(r events.Record) error {
			w.lines <- fmt.Sprintf("%s=%s", r.Subject, r.Data)
			return nil
		})
	})
	w.want("$KV.core_desired.local.beta=2 $KV.core_desired.local.alpha=3 live")
	put("local.beta", "4")
	if err := kv.Delete(testContext(t), "local.alpha"); err != nil {
		t.Fatal(err)
	}
	w.want("$KV.core_desired.local.beta=4 $KV.core_desired.local.alpha=")
}

// TestFollowConsumerLost: the follower's place in the stream may be removed.
func TestFollowConsumerLost(t *testing.T) {
	b := start(t, "memory")
	root := b.connect(events.Busd)
	w := follow(t, b.connect(events.Operator), bus.Follow{})
	w.want("live")
	for round := range 3 {
		put(t, root, 2)
		w.want(fmt.Sprintf("%d-%d", 2*round+1, 2*round+2))
		stream, err := root.JS.Stream(testContext(t), events.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		for name := range stream.ConsumerNames(testContext(t)).Name() {
			if err := stream.DeleteConsumer(testContext(t), name); err != nil {
				t.Fatal(err)
			}
		}
	}
}
