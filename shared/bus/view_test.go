package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testproc"
)

func view(t *testing.T, c *bus.Conn) *bus.View {
	t.Helper()
	v := bus.NewView(c, node)
	testproc.Background(t, v.Run)
	return v
}

// stopped waits until a service's last reason is the one given.
func stopped(t *testing.T, v *bus.View, service events.Entity, reason string) state.State {
	t.Helper()
	s, err := v.Wait(testContext(t), func(s state.State) bool {
		return s.Services[service].State == state.ServiceStopped && s.Services[service].Reason == reason
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestView(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := b.publisher(b.connect(events.Procd), events.Procd)
	for i := range 100 {
		p.State("alpha", events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
	}
	flush(t, p)
	c := b.connect(events.Operator)
	v := bus.NewView(c, node)
	if v.Live() || v.State().Seq != 0 || v.State().Node != node {
		t.Errorf("a view that does not run has %+v", v.State())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := v.Wait(ctx, func(state.State) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a view that does not run was waited for: %v", err)
	}
	testproc.Background(t, v.Run)
	s := stopped(t, v, "alpha", "99")
	if s.Seq != 100 || !v.Live() {
		t.Errorf("the state is at %d, live %v", s.Seq, v.Live())
	}
	p.State("alpha", events.ServiceStopped{Reason: "again"}, "")
	stopped(t, v, "alpha", "again")

	// A replay gives the same bytes.
	replay := state.New(node)
	for r, err := range c.Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		replay = state.Apply(replay, r)
	}
	want, err := state.Encode(replay)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := state.Encode(v.State()); err != nil || string(got) != string(want) {
		t.Errorf("the view has\n%s\na replay\n%s", got, want)
	}
}

// TestViewChanged: each subscriber learns of changes by its own channel, and of
// many at once by one element.
func TestViewChanged(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := b.publisher(b.connect(events.Procd), events.Procd)
	v := view(t, b.connect(events.Operator))
	lazy, ctx := v.Changed(), testContext(t)
	watch, cancel := context.WithCancel(ctx)
	eager := v.Watch(watch)
	for i := range 50 {
		p.State("alpha", events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
		for v.State().Services["alpha"].Reason != fmt.Sprint(i) {
			select {
			case <-eager:
			case <-ctx.Done():
				t.Fatal("a change was not told")
			}
		}
	}
	if len(lazy) != 1 {
		t.Errorf("the lazy subscriber has %d elements, want 1", len(lazy))
	}
	<-lazy
	cancel()
	p.State("alpha", events.ServiceStopped{Reason: "end"}, "")
	stopped(t, v, "alpha", "end")
	if _, ok := <-lazy; !ok {
		t.Error("the lazy subscriber's channel is closed")
	}
}

func TestViewLostMemory(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := b.publisher(b.connect(events.Procd), events.Procd)
	v := view(t, b.connect(events.Operator))
	for i := range 30 {
		p.State("alpha", events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
	}
	stopped(t, v, "alpha", "29")
	for range 3 {
		b.down()
		if got := v.State().Services["alpha"].Reason; got != "29" {
			t.Errorf("while the bus is away the view shows %q", got)
		}
		b.up()
		p.State("beta", events.ServiceStopped{Reason: "x"}, "")
		flush(t, p)
		s := stopped(t, v, "beta", "x")
		if s.Services["alpha"].Reason != "29" || s.Seq > 5 {
			t.Errorf("the state after a lost memory is %+v", s)
		}
	}
}

func TestViewIgnoresNobodysBytes(t *testing.T) {
	b := start(t, "memory", events.Procd)
	root := b.connect(events.Busd)
	put(t, root, 3)
	v := view(t, b.connect(events.Operator))
	s, err := v.Wait(testContext(t), func(s state.State) bool { return s.Seq == 3 })
	if err != nil {
		t.Fatal(err)
	}
	if s.Dead.Count != 3 || s.Dead.Seq != 3 {
		t.Errorf("the state counts %+v", s.Dead)
	}
}

func TestSnapshot(t *testing.T) {
	b := start(t, "file", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	v := view(t, c)
	for i := range 300 { // of fewer there is no need for one
		p.State("alpha", events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
	}
	s := stopped(t, v, "alpha", "299")
	// A mark that only the snapshot has shows whether it was used.
	s.Outcomes = append(s.Outcomes, state.Outcome{Command: "mark"})
	if err := c.SaveSnapshot(testContext(t), s); err != nil {
		t.Fatal(err)
	}
	p.State("alpha", events.ServiceStopped{Reason: "new"}, "")
	flush(t, p)

	fresh := view(t, b.connect(events.Operator))
	got := stopped(t, fresh, "alpha", "new")
	if _, ok := got.Outcome("mark"); !ok || got.Seq != 301 {
		t.Errorf("the snapshot was not used: %+v", got)
	}

	root := b.connect(events.Busd)
	kv, err := root.Bucket(testContext(t), events.BucketSnapshots)
	if err != nil {
		t.Fatal(err)
	}
	unusable := func(why string) {
		t.Helper()
		v := view(t, b.connect(events.Operator))
		if got := stopped(t, v, "alpha", "new"); got.Seq > 301 {
			t.Errorf("%s: the state is at %d", why, got.Seq)
		} else if _, ok := got.Outcome("mark"); ok {
			t.Errorf("%s: it was used", why)
		}
	}
	if _, err := kv.Put(testContext(t), events.SnapshotKey(node), []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	unusable("a snapshot that is none")
	ahead := s
	ahead.Seq = 1000
	if err := c.SaveSnapshot(testContext(t), ahead); err != nil {
		t.Fatal(err)
	}
	unusable("a snapshot ahead of the log")
	other := s
	other.Node = "elsewhere"
	data, err := state.EncodeSnapshot(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(testContext(t), events.SnapshotKey(node), data); err != nil {
		t.Fatal(err)
	}
	unusable("a snapshot of another node")

	// A snapshot older than the stream is one of another log.
	if err := c.SaveSnapshot(testContext(t), s); err != nil {
		t.Fatal(err)
	}
	if err := root.JS.DeleteStream(testContext(t), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if err := bus.EnsurePlatform(testContext(t), root.JS, bus.Store{File: true}); err != nil {
		t.Fatal(err)
	}
	put(t, root, 30)
	if _, err := kv.Get(testContext(t), events.SnapshotKey(node)); err != nil {
		t.Fatal(err)
	}
	replaced := view(t, b.connect(events.Operator))
	again, err := replaced.Wait(testContext(t), func(s state.State) bool { return s.Seq >= 30 })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Outcome("mark"); ok {
		t.Error("a snapshot of the stream before was used")
	}
}

// A view that begins late on a connection does not take the log for what it was when
// the connection began: what was dropped since only the snapshot has.
func TestSnapshotOfALogThatGrew(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := b.publisher(b.connect(events.Procd), events.Procd)
	p.State("early", events.ServiceStopped{Reason: "once"}, "")
	flush(t, p)
	c := b.connect(events.Procd)
	v := view(t, c)
	stopped(t, v, "early", "once")
	for i := range 300 {
		p.State("alpha", events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
	}
	if err := c.SaveSnapshot(testContext(t), stopped(t, v, "alpha", "299")); err != nil {
		t.Fatal(err)
	}
	log, err := b.connect(events.Busd).JS.Stream(testContext(t), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Purge(testContext(t), jetstream.WithPurgeKeep(100)); err != nil {
		t.Fatal(err)
	}
	late := stopped(t, view(t, c), "alpha", "299")
	if got := late.Services["early"].Reason; got != "once" {
		t.Errorf("the late view knows %q of what the log has dropped", got)
	}
}

func TestSnapshotRights(t *testing.T) {
	b := start(t, "memory", "alpha")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := b.connect("alpha").SaveSnapshot(ctx, state.New(node))
	if err == nil || !strings.HasPrefix(err.Error(), "save a snapshot of node local at 0: ") {
		t.Errorf("got %v", err)
	}
}

func waitKept(t *testing.T, v *bus.View, kept uint64) (state.State, error) {
	t.Helper()
	return v.Wait(testContext(t), func(s state.State) bool { return s.Dead.Kept == kept })
}
