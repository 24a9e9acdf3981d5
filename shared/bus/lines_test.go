package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// say publishes lines of alpha and returns when the bus has them.
func say(t *testing.T, c *bus.Conn, stream string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		c.PublishLine(node, "alpha", stream, events.LogLine{Time: time.Unix(1, 0).UTC(), Text: text})
	}
	if err := c.NC.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// read returns lines as "stream:text".
func read(t *testing.T, c *bus.Conn, l bus.Lines) []string {
	t.Helper()
	var got []string
	err := c.Lines(testContext(t), l, func(a events.LogAddress, line events.LogLine) error {
		got = append(got, a.Stream+":"+line.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// stored waits until the bus has n lines.
func stored(t *testing.T, root *bus.Conn, n uint64) {
	t.Helper()
	streamed(t, root, events.StreamLogs, fmt.Sprint(n, " lines"), func(s jetstream.StreamState) bool { return s.LastSeq == n })
}

func TestLines(t *testing.T) {
	b := start(t, "memory", events.Procd)
	procd, root, operator := b.connect(events.Procd), b.connect(events.Busd), b.connect(events.Operator)
	alpha := bus.Lines{Node: node, Entity: "alpha"}
	if got := read(t, operator, alpha); got != nil {
		t.Errorf("got %v", got)
	}
	say(t, procd, "stdout", "one", "two")
	say(t, procd, "stderr", "oh")
	procd.PublishLine(node, "beta", "stdout", events.LogLine{Text: "other"})
	say(t, procd, "stdout", "three")
	if _, err := root.JS.Conn().Request("core.log.local.alpha.stdout", []byte("no line"), 0); err == nil {
		t.Error("the log stream acknowledges")
	}
	stored(t, root, 6)
	between := time.Now()
	say(t, procd, "stdout", "four")
	stored(t, root, 7)
	for _, c := range []struct {
		name string
		l    bus.Lines
		want string
	}{
		{"all", alpha, "stdout:one stdout:two stderr:oh stdout:three stdout:four"},
		{"the last two", bus.Lines{Node: node, Entity: "alpha", Tail: 2}, "stdout:three stdout:four"},
		{"more than there are", bus.Lines{Node: node, Entity: "alpha", Tail: 100}, "stdout:one stdout:two stderr:oh stdout:three stdout:four"},
		{"none", bus.Lines{Node: node, Entity: "alpha", Tail: -1}, ""},
		{"since a time", bus.Lines{Node: node, Entity: "alpha", Since: between}, "stdout:four"},
		{"the last of all since long", bus.Lines{Node: node, Entity: "alpha", Since: between.Add(-time.Hour), Tail: 1}, "stdout:four"},
		{"of another", bus.Lines{Node: node, Entity: "beta"}, "stdout:other"},
		{"of two", bus.Lines{Node: node, Entity: "alpha", More: []events.Entity{"beta"}, Tail: 3}, "stdout:other stdout:three stdout:four"},
		{"until a time", bus.Lines{Node: node, Entity: "alpha", Until: between, Tail: 2}, "stderr:oh stdout:three"},
		{"those that match", bus.Lines{Node: node, Entity: "alpha", Tail: 2, Match: func(a events.LogAddress, l events.LogLine) bool {
			return a.Stream == "stderr" || l.Text == "one"
		}}, "stdout:one stderr:oh"},
		{"of another node", bus.Lines{Node: "elsewhere", Entity: "alpha"}, ""},
	} {
		if got := strings.Join(read(t, operator, c.l), " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	enough := errors.New("enough")
	if err := operator.Lines(testContext(t), alpha, func(events.LogAddress, events.LogLine) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	tail := alpha
	tail.Tail = 1
	if err := operator.Lines(testContext(t), tail, func(events.LogAddress, events.LogLine) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func TestLinesFollow(t *testing.T) {
	b := start(t, "memory", events.Procd)
	procd, operator := b.connect(events.Procd), b.connect(events.Operator)
	say(t, procd, "stdout", "one", "two", "three")
	stored(t, b.connect(events.Busd), 3)
	got := make(chan string, 100)
	testproc.Background(t, func(ctx context.Context) error {
		return operator.Lines(ctx, bus.Lines{Node: node, Entity: "alpha", Tail: 2, Follow: true}, func(_ events.LogAddress, l events.LogLine) error {
			got <- l.Text
			return nil
		})
	})
	want := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			select {
			case g := <-got:
				if g != text {
					t.Fatalf("got %s, want %s", g, text)
				}
			case <-testContext(t).Done():
				t.Fatalf("nothing came, want %s", text)
			}
		}
	}
	want("two", "three")
	say(t, procd, "stdout", "four")
	want("four")
	for i := range 3 {
		lost := procd.NC.StatusChanged(nats.RECONNECTING)
		b.down()
		<-lost // what is written into a connection as it breaks is only on disk
		procd.PublishLine(node, "alpha", "stdout", events.LogLine{Text: fmt.Sprint("away ", i)})
		b.up()
		want(fmt.Sprint("away ", i))
		say(t, procd, "stdout", "back")
		want("back")
	}
}

// TestLinesFlood: the bus keeps the latest lines, readers too.
func TestLinesFlood(t *testing.T) {
	b := start(t, "memory", events.Procd)
	procd, operator := b.connect(events.Procd), b.connect(events.Operator)
	var texts []string
	for i := range 5000 {
		texts = append(texts, fmt.Sprint(i))
	}
	say(t, procd, "stdout", texts...)
	stored(t, b.connect(events.Busd), 5000)
	got := read(t, operator, bus.Lines{Node: node, Entity: "alpha"})
	if len(got) != 2000 || got[0] != "stdout:3000" || got[1999] != "stdout:4999" {
		t.Errorf("got %d lines", len(got))
	}
	if got := read(t, operator, bus.Lines{Node: node, Entity: "alpha", Tail: 3}); !slices.Equal(got, []string{"stdout:4997", "stdout:4998", "stdout:4999"}) {
		t.Errorf("got %v", got)
	}
}

// TestPublishLineDropped: a line that cannot leave is counted.
func TestPublishLineDropped(t *testing.T) {
	b := start(t, "memory", events.Procd)
	procd, operator := b.connect(events.Procd), b.connect(events.Operator)
	huge := strings.Repeat("x", 2<<20)
	for range 3 {
		procd.PublishLine(node, "alpha", "stdout", events.LogLine{Text: huge})
	}
	procd.PublishLine(node, "alpha", "stderr", events.LogLine{Text: "other"})
	procd.PublishLine(node, "alpha", "stdout", events.LogLine{Text: "here", Dropped: 2})
	say(t, procd, "stdout", "after")
	stored(t, b.connect(events.Busd), 3)
	var got []string
	err := operator.Lines(testContext(t), bus.Lines{Node: node, Entity: "alpha"}, func(_ events.LogAddress, l events.LogLine) error {
		got = append(got, fmt.Sprintf("%s %d", l.Text, l.Dropped))
		return nil
	})
	if want := []string{"other 0", "here 5", "after 0"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
