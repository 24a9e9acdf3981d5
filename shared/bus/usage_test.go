package bus_test

import (
	"context"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// Usage is read as it was last published, watched as it changes, and is no
// presence.
func TestUsage(t *testing.T) {
	t.Parallel()
	b := start(t, "memory", events.Procd)
	procd, op := b.connect(events.Procd), b.connect(events.Operator)
	if u, err := op.Usage(testContext(t), node, events.Procd); err != nil || u.Services != nil {
		t.Fatalf("nothing was said, but %+v, %v", u, err)
	}
	want := presence(t, op)
	samples := make(chan events.Usage, 10)
	testproc.Background(t, func(ctx context.Context) error {
		return op.WatchUsage(ctx, node, events.Procd, func(u events.Usage) { samples <- u })
	})
	for fds := 1; fds <= 2; fds++ {
		u := events.Usage{Time: time.Unix(int64(fds), 0).UTC(), Services: map[events.Entity]events.ServiceUsage{"alpha": {Instance: "i", OpenFDs: fds}}}
		if err := procd.PublishUsage(node, events.Procd, u); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-samples:
			if one, ok := got.Of("alpha", "i"); !ok || one.OpenFDs != fds || !got.Time.Equal(u.Time) {
				t.Errorf("watched %+v, want %+v", got, u)
			}
		case <-testContext(t).Done():
			t.Fatal("nobody saw the sample")
		}
	}
	u, err := op.Usage(testContext(t), node, events.Procd)
	if one, ok := u.Of("alpha", "i"); err != nil || !ok || one.OpenFDs != 2 {
		t.Errorf("read %+v, %v", u, err)
	}
	if _, ok := u.Of("alpha", "another"); ok {
		t.Error("the usage of one instance is taken for another's")
	}
	heartbeat(t, procd, events.Procd, 7)
	want("procd 7") // and nothing before
}
