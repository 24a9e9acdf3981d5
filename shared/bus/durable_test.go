package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// consume tells the sequences that a durable consumer is given.
func consume(t *testing.T, c *bus.Conn) (want func(string), stop func()) {
	t.Helper()
	w := &follower{t, make(chan string, 10_000)}
	stop = testproc.Background(t, func(ctx context.Context) error {
		d := bus.Durable{Name: "beta-tally", Filter: events.EntityFacts(node, events.Procd, "alpha")}
		return c.Consume(ctx, d, func(_ context.Context, r events.Record) error {
			w.lines <- fmt.Sprint(r.Seq)
			return nil
		})
	})
	return w.want, stop
}

func TestConsume(t *testing.T) {
	b := start(t, "memory", "beta")
	root, beta := b.connect(events.Busd), b.connect("beta")
	put(t, root, 3)
	want, stop := consume(t, beta)
	want("1-3")
	put(t, root, 300)
	want("4-303")
	stop()
	put(t, root, 2)
	want, _ = consume(t, beta) // from where it left off
	want("304-305")
	if err := root.JS.DeleteConsumer(testContext(t), events.StreamEvents, "beta-tally"); err != nil {
		t.Fatal(err)
	}
	want("1-305") // whose place is lost begins anew
}

func TestConsumeRestart(t *testing.T) {
	for store, again := range map[string]string{"memory": "1-2", "file": "3-4"} {
		t.Run(store, func(t *testing.T) {
			b := start(t, store, "beta")
			put(t, b.connect(events.Busd), 2)
			want, _ := consume(t, b.connect("beta"))
			want("1-2")
			// The last acknowledgement is on its way: wait for it.
			root := b.connect(events.Busd)
			for ctx := testContext(t); ctx.Err() == nil; {
				consumer, err := root.JS.Consumer(ctx, events.StreamEvents, "beta-tally")
				if err != nil {
					t.Fatal(err)
				}
				if consumer.CachedInfo().AckFloor.Stream == 2 {
					break
				}
			}
			b.again()
			put(t, b.connect(events.Busd), 2)
			want(again)
		})
	}
}

func TestConsumeError(t *testing.T) {
	b := start(t, "memory", "beta")
	put(t, b.connect(events.Busd), 3)
	beta := b.connect("beta")
	var got []uint64
	ctx, cancel := context.WithCancel(testContext(t))
	err := beta.Consume(ctx, bus.Durable{Name: "beta-tally"}, func(_ context.Context, r events.Record) error {
		got = append(got, r.Seq)
		switch len(got) {
		case 2, 3:
			return errors.New("not now")
		case 5:
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || err.Error() != "consume CORE_EVENTS as beta-tally: context canceled" {
		t.Errorf("got %v", err)
	}
	if fmt.Sprint(got) != "[1 2 2 2 3]" {
		t.Errorf("got %v", got)
	}
}

// TestConsumeSlow: what takes longer than the bus waits is not handed out twice.
func TestConsumeSlow(t *testing.T) {
	t.Parallel()
	b := start(t, "memory", "beta")
	put(t, b.connect(events.Busd), 2)
	beta := b.connect("beta")
	got := make(chan uint64, 10)
	testproc.Background(t, func(ctx context.Context) error {
		d := bus.Durable{Name: "beta-tally", AckWait: time.Second}
		return beta.Consume(ctx, d, func(ctx context.Context, r events.Record) error {
			got <- r.Seq
			select {
			case <-time.After(2500 * time.Millisecond):
			case <-ctx.Done():
			}
			return nil
		})
	})
	if a, b := <-got, <-got; a != 1 || b != 2 {
		t.Errorf("got %d and %d", a, b)
	}
}
