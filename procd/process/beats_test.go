package process_test

import (
	"context"
	"testing"
	"time"

	"core.internal/procd/process"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
)

// TestBeats follows the heartbeats of a service, from when it is asked first,
// through its end.
func TestBeats(t *testing.T) {
	b := testbus.Start(t, events.Procd, "alpha")
	beats := process.NewBeats(b.Connect(events.Procd), testbus.Node)
	ctx, cancel := context.WithCancel(context.Background())
	listened := make(chan error, 1)
	go func() { listened <- beats.Run(ctx) }()
	defer func() { cancel(); <-listened }()
	until := func(what string, ok func(last, listening time.Time) bool) time.Time {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		limit := time.After(20 * time.Second)
		for {
			if last, listening := beats.Last("alpha"); ok(last, listening) {
				return last
			}
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("%s: never", what)
			}
		}
	}
	if last, listening := beats.Last("alpha"); !last.IsZero() || !listening.IsZero() {
		t.Errorf("before it listens: %v %v", last, listening)
	}
	until("listening", func(last, listening time.Time) bool { return !listening.IsZero() && last.IsZero() })
	alpha := b.Connect("alpha")
	beating, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- alpha.Heartbeat(beating, testbus.Node, "alpha", events.Presence{PID: 7, Version: "v"})
	}()
	first := until("a heartbeat", func(last, _ time.Time) bool { return !last.IsZero() })
	if since := time.Since(first); since < 0 || since > 10*time.Second {
		t.Errorf("it is dated %v ago", since)
	}
	until("another", func(last, _ time.Time) bool { return last.After(first) })
	stop()
	<-ended
	if last, listening := beats.Last("alpha"); last.IsZero() || listening.IsZero() {
		t.Errorf("after the last one: %v %v", last, listening)
	}
	b.Down()
	until("the bus is away", func(_, listening time.Time) bool { return listening.IsZero() })
	b.Up()
	until("the bus is back", func(_, listening time.Time) bool { return !listening.IsZero() })
}
