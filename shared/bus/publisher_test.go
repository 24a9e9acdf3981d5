package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

func wantFacts(t *testing.T, c *bus.Conn, want ...string) {
	t.Helper()
	if got := facts(t, c); !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPublisher(t *testing.T) {
	b := start(t, "memory", events.Procd)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	n := 0
	p := bus.NewPublisher(bus.PublisherOptions{
		Node: node, Source: events.Procd, Log: logger(t),
		Now: func() time.Time { return at }, NewID: func() events.ID { n++; return events.ID(fmt.Sprint("id-", n)) },
	})
	e := p.State("alpha", events.ServiceStarting{Instance: "i"}, "cause-1") // before there is a connection
	if e.ID != "id-1" || e.Cause != "cause-1" || e.Time != at || e.Subject() != "core.event.local.procd.alpha.starting" {
		t.Errorf("stated %+v", e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "flush the facts of procd: 1 not acknowledged: context deadline exceeded" {
		t.Errorf("flush without a connection: %v", err)
	}
	c := b.connect(events.Procd)
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	p.State("beta", events.ServiceStopped{}, "")
	p.State("alpha", events.ServiceStarted{Instance: "i", PID: 7}, "")
	flush(t, p)
	wantFacts(t, c, "procd.alpha service.starting", "procd.beta service.stopped", "procd.alpha service.started")
	for r := range c.Events().Read(t.Context(), 0) {
		if want, _ := e.Encode(); string(r.Data) != string(want) {
			t.Errorf("stored %s, want %s", r.Data, want)
		}
		break
	}
}

func TestPublisherRefusesWhatDoesNotEncode(t *testing.T) {
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd})
	for _, e := range []events.Envelope{
		p.State("a.b", events.ServiceStopped{}, ""),
		p.State("alpha", events.ServiceStopped{Reason: strings.Repeat("x", events.MaxEnvelope)}, ""),
		p.State("alpha", events.ServiceStopped{}, "*"),
	} {
		if e.ID != "" {
			t.Errorf("stated %+v", e)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPublisherBurst: order holds over many entities and many callers.
func TestPublisherBurst(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	var want []string
	for i := range 1000 {
		entity := events.Entity(fmt.Sprint("s", i%20))
		p.State(entity, events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
		want = append(want, "procd."+string(entity)+" service.stopped")
	}
	flush(t, p)
	wantFacts(t, c, want...)

	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 25 {
				p.State(events.Entity(fmt.Sprint("w", w)), events.ServiceStopped{}, "")
			}
			if err := p.Flush(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(facts(t, c)); got != 1200 {
		t.Errorf("the log has %d facts, want 1200", got)
	}
}

// TestPublisherHold: facts that are held leave when they are released or flushed, in
// order.
func TestPublisherHold(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, Log: logger(t), Gather: time.Hour})
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	p.State("alpha", events.ServiceStarting{Instance: "i"}, "")
	flush(t, p)
	p.Hold()
	p.State("alpha", events.ServiceStarted{Instance: "i", PID: 7}, "")
	p.State("beta", events.ServiceStopped{}, "")
	wantFacts(t, c, "procd.alpha service.starting")
	p.Hold() // once more changes nothing
	p.Release()
	testproc.Eventually(t, "what was held is told", func() bool { return len(facts(t, c)) == 3 })
	p.Hold()
	p.State("gamma", events.ServiceStopped{}, "")
	flush(t, p)
	wantFacts(t, c, "procd.alpha service.starting", "procd.alpha service.started", "procd.beta service.stopped", "procd.gamma service.stopped")
}

// TestPublisherHoldsNothingTwice: what was let go before there was a bus, as by a Flush,
// leaves though more is held since.
func TestPublisherHoldsNothingTwice(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, Log: logger(t), Gather: time.Hour})
	p.State("alpha", events.ServiceStopped{}, "")
	p.Release()
	p.Hold()
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	testproc.Eventually(t, "it is told", func() bool { return len(facts(t, c)) == 1 })
}

// TestPublisherHoldsBriefly: what nobody releases leaves all the same.
func TestPublisherHoldsBriefly(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	p.Hold()
	p.State("alpha", events.ServiceStopped{}, "")
	testproc.Eventually(t, "it is told", func() bool { p.Hold(); return len(facts(t, c)) == 1 })
}

// TestPublisherReconnects: connections come and go while facts are stated; each
// arrives once and in order.
func TestPublisherReconnects(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	var want []string
	for i := range 300 {
		entity := events.Entity(fmt.Sprint("s", i%3))
		p.State(entity, events.ServiceStopped{Reason: fmt.Sprint(i)}, "")
		want = append(want, "procd."+string(entity)+" service.stopped")
		if i%30 == 29 {
			if err := c.NC.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush(t, p)
	wantFacts(t, b.connect(events.Operator), want...)
}

// TestPublisherOutage: what is stated while the bus is away arrives when it is
// back; with its files the log goes on.
func TestPublisherOutage(t *testing.T) {
	b := start(t, "file", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	p.State("alpha", events.ServiceStarting{Instance: "1"}, "")
	flush(t, p)
	for range 3 {
		b.down()
		p.State("alpha", events.ServiceStarted{Instance: "1"}, "")
		p.State("beta", events.ServiceStopped{}, "")
		b.up()
		flush(t, p)
	}
	wantFacts(t, b.connect(events.Operator), "procd.alpha service.starting",
		"procd.alpha service.started", "procd.beta service.stopped",
		"procd.alpha service.started", "procd.beta service.stopped",
		"procd.alpha service.started", "procd.beta service.stopped")
}

// TestPublisherLostMemory: a bus that lost its memory is told again what the
// state rests on: the latest fact of each type, in the original order.
func TestPublisherLostMemory(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	p := b.publisher(c, events.Procd)
	for i := range 3 {
		p.State("alpha", events.ServiceStarting{Instance: fmt.Sprint(i)}, "")
		p.State("beta", events.ServiceRegistered{Name: "beta"}, "")
		p.State("alpha", events.ServiceHealthy{Instance: fmt.Sprint(i)}, "")
		p.State("alpha", events.CommandCompleted{Verb: "start"}, "c") // told once
		p.State(events.DeadEntity, events.DeadMalformed{}, "")
	}
	p.State("beta", events.ServiceUnregistered{}, "")
	flush(t, p)
	for round := range 3 {
		b.down()
		p.State("gamma", events.ServiceDesired{Enabled: true}, "")
		b.up()
		flush(t, p)
		want := []string{"procd.alpha service.starting", "procd.beta service.registered", "procd.alpha service.healthy", "procd.beta service.unregistered"}
		if round > 0 {
			want = append(want, "procd.gamma service.desired")
		}
		want = append(want, "procd.gamma service.desired")
		got := b.connect(events.Operator)
		wantFacts(t, got, want...)
		for r := range got.Events().Read(t.Context(), 2) {
			if e, err := events.DecodeRecord(r); err != nil || !strings.Contains(string(e.Data), `"2"`) {
				t.Errorf("repeated %s, %v", r.Data, err)
			}
			break
		}
	}
}

// TestPublisherSuccessor: a publisher after another repeats what that one stated to
// a bus that lost its memory, and to no other: what was stated long ago would be
// there twice.
func TestPublisherSuccessor(t *testing.T) {
	b := start(t, "memory", events.Procd)
	first := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd})
	procd := b.connect(events.Procd)
	stop := testproc.Background(t, func(ctx context.Context) error { return first.Run(ctx, procd) })
	first.State("alpha", events.ServiceStarting{Instance: "1"}, "")
	first.State("alpha", events.ServiceStarted{Instance: "1"}, "")
	flush(t, first)
	stop()
	root := b.connect(events.Busd)
	sent, err := root.NC.SubscribeSync("core.event.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := root.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	second := b.publisher(procd, events.Procd)
	second.State("alpha", events.ServiceHealthy{Instance: "1"}, "")
	flush(t, second)
	m, err := sent.NextMsgWithContext(testContext(t))
	if err != nil || !strings.HasSuffix(m.Subject, ".alpha.healthy") {
		t.Errorf("sent %+v, %v", m, err)
	}
	if err := root.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := sent.Pending(); n > 0 || err != nil {
		t.Errorf("%d facts more were sent, %v", n, err)
	}
	b.again()
	second.State("alpha", events.ServiceStopped{}, "")
	flush(t, second)
	wantFacts(t, b.connect(events.Operator), "procd.alpha service.starting", "procd.alpha service.started", "procd.alpha service.healthy", "procd.alpha service.stopped")
}

// TestPublisherRepeatsWithoutNews: the state comes back though nobody states
// anything new.
func TestPublisherRepeatsWithoutNews(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := b.publisher(b.connect(events.Procd), events.Procd)
	p.State("alpha", events.ServiceStopped{}, "")
	flush(t, p)
	b.again()
	follow(t, b.connect(events.Operator), bus.Follow{}).want("1")
}

func TestPublisherForgetsOldRuns(t *testing.T) {
	b := start(t, "memory", events.Pipelined)
	p := b.publisher(b.connect(events.Pipelined), events.Pipelined)
	for i := range 70 {
		run := events.Entity(fmt.Sprint("r", i))
		p.State(run, events.RunStarted{Pipeline: "build"}, "")
		p.State(run, events.RunEnded{Pipeline: "build", State: events.StepCompleted}, "")
	}
	flush(t, p)
	b.again()
	follow(t, b.connect(events.Operator), bus.Follow{}).want("1-128")
	got := facts(t, b.connect(events.Operator))
	if len(got) != 128 || got[0] != "pipelined.r6 run.started" {
		t.Errorf("repeated %d facts from %s on", len(got), got[0])
	}
}

// TestPublisherConflict: a second writer of the same source is noticed; no fact
// of either is lost.
func TestPublisherConflict(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	conflicts := make(chan *events.ConflictError, 10)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, OnConflict: func(e *events.ConflictError) { conflicts <- e }})
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	p.State("alpha", events.ServiceStarting{Instance: "1"}, "")
	flush(t, p)
	second := b.publisher(c, events.Procd)
	second.State("alpha", events.ServiceStopped{}, "")
	flush(t, second)
	p.State("alpha", events.ServiceStarted{Instance: "1"}, "")
	p.State("alpha", events.ServiceHealthy{Instance: "1"}, "")
	flush(t, p)
	wantFacts(t, c, "procd.alpha service.starting", "procd.alpha service.stopped", "procd.alpha service.started", "procd.alpha service.healthy")
	close(conflicts)
	var got []string
	for e := range conflicts {
		got = append(got, e.Error())
	}
	if want := "append to core.event.local.procd.alpha.*: expected last sequence 1, the log is at 2: read again and decide anew"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
}

// TestPublisherConflictAmongMany: a fact that another writer came before does not
// hold up, lose or double the others on their way with it.
func TestPublisherConflictAmongMany(t *testing.T) {
	b := start(t, "memory", events.Procd)
	c := b.connect(events.Procd)
	conflicts := make(chan *events.ConflictError, 10)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, OnConflict: func(e *events.ConflictError) { conflicts <- e }})
	stop := testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	entities := []events.Entity{"a", "b", "c", "d", "e"}
	for _, e := range entities {
		p.State(e, events.ServiceStarting{Instance: "1"}, "")
	}
	flush(t, p)
	second := b.publisher(c, events.Procd)
	second.State("b", events.ServiceStopped{}, "")
	second.State("d", events.ServiceStopped{}, "")
	flush(t, second)
	for _, e := range entities {
		p.State(e, events.ServiceStarted{Instance: "1"}, "")
		p.State(e, events.ServiceHealthy{Instance: "1"}, "")
	}
	flush(t, p)
	stop()
	close(conflicts)
	if len(conflicts) != 2 {
		t.Errorf("%d conflicts, want 2", len(conflicts))
	}
	got := facts(t, c)
	for _, e := range entities {
		want := []string{"starting", "started", "healthy"}
		if e == "b" || e == "d" {
			want = slices.Insert(want, 1, "stopped")
		}
		var of []string
		for _, f := range got {
			if rest, ok := strings.CutPrefix(f, "procd."+string(e)+" service."); ok {
				of = append(of, rest)
			}
		}
		if !slices.Equal(of, want) {
			t.Errorf("%s: %v, want %v", e, of, want)
		}
	}
}

// TestPublisherAmbiguous: an append whose acknowledgement was lost is recognised
// in the log, also when the server has forgotten the id.
func TestPublisherAmbiguous(t *testing.T) {
	b := start(t, "file", events.Procd)
	c := b.connect(events.Procd)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, OnConflict: func(e *events.ConflictError) { t.Error(e) }})
	stop := testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	p.State("alpha", events.ServiceStarting{Instance: "1"}, "")
	flush(t, p)
	stop()
	e := p.State("alpha", events.ServiceStarted{Instance: "1"}, "")
	p.State("alpha", events.ServiceHealthy{Instance: "1"}, "")
	// As if Run had sent it and ended before the answer.
	if _, err := c.Events().Append(testContext(t), e, 1); err != nil {
		t.Fatal(err)
	}
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	flush(t, p)
	wantFacts(t, c, "procd.alpha service.starting", "procd.alpha service.started", "procd.alpha service.healthy")
}

// TestPublisherNewConnection: an outbox goes on over another connection, to a
// bus that may be another one.
func TestPublisherNewConnection(t *testing.T) {
	b := start(t, "memory", events.Procd)
	p := bus.NewPublisher(bus.PublisherOptions{Node: node, Source: events.Procd, Log: logger(t)})
	first := b.connect(events.Procd)
	stop := testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, first) })
	p.State("alpha", events.ServiceStopped{}, "")
	flush(t, p)
	stop()
	first.Close()
	if err := p.Run(t.Context(), first); err == nil || !strings.HasPrefix(err.Error(), "state the facts of procd: ") {
		t.Errorf("run on a closed connection: %v", err)
	}
	other := start(t, "memory", events.Procd)
	c := other.connect(events.Procd)
	p.State("beta", events.ServiceStopped{}, "")
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
	flush(t, p)
	wantFacts(t, c, "procd.alpha service.stopped", "procd.beta service.stopped")
}
