package bus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// presence watches and tells each change as "alpha 7", "alpha gone".
func presence(t *testing.T, c *bus.Conn) func(want string) {
	t.Helper()
	got := make(chan string, 100)
	testproc.Background(t, func(ctx context.Context) error {
		return c.WatchPresence(ctx, node, func(p bus.Present) {
			if p.Here {
				got <- fmt.Sprintf("%s %d", p.Source, p.PID)
			} else {
				got <- string(p.Source) + " gone"
			}
		})
	})
	return func(want string) {
		t.Helper()
		select {
		case g := <-got:
			if g != want {
				t.Fatalf("got %s, want %s", g, want)
			}
		case <-testContext(t).Done():
			t.Fatalf("nothing changed, want %s", want)
		}
	}
}

func heartbeat(t *testing.T, c *bus.Conn, s events.Source, pid int) (stop func()) {
	t.Helper()
	return testproc.Background(t, func(ctx context.Context) error {
		return c.Heartbeat(ctx, node, s, events.Presence{PID: pid, Version: "v", Started: time.Unix(1, 0).UTC()})
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	b := start(t, "memory", "alpha", "beta")
	alpha := b.connect("alpha")
	stop := heartbeat(t, alpha, "alpha", 7)
	want := presence(t, b.connect(events.Operator))
	want("alpha 7")
	heartbeat(t, b.connect("beta"), "beta", 8)
	want("beta 8")
	stop() // says goodbye
	want("alpha gone")
	heartbeat(t, alpha, "alpha", 9)
	want("alpha 9")
	alpha.NC.Close() // says nothing any more
	want("alpha gone")
}

func TestPresenceLostMemory(t *testing.T) {
	t.Parallel()
	b := start(t, "memory", "alpha", "beta")
	alpha := b.connect("alpha")
	heartbeat(t, alpha, "alpha", 7)
	want := presence(t, b.connect(events.Operator))
	want("alpha 7")
	heartbeat(t, b.connect("beta"), "beta", 8)
	want("beta 8")
	b.down()
	alpha.NC.Close()
	b.up()
	want("alpha gone") // and beta is not said to have come or gone
}
