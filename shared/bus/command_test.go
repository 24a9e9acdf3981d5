package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

func to(entity events.Entity) events.CommandAddress {
	return events.CommandAddress{Node: node, Target: events.Procd, Entity: entity}
}

func send(t *testing.T, c *bus.Conn, entity events.Entity, b events.Body) events.ID {
	t.Helper()
	id, err := c.Send(testContext(t), to(entity), b)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serve hands the commands for procd to the returned channel.
func serve(t *testing.T, c *bus.Conn) (<-chan bus.Command, func()) {
	t.Helper()
	got := make(chan bus.Command, 100)
	stop := testproc.Background(t, func(ctx context.Context) error {
		return c.ServeCommands(ctx, node, events.Procd, func(_ context.Context, command bus.Command) error {
			got <- command
			return nil
		})
	})
	return got, stop
}

func next(t *testing.T, commands <-chan bus.Command) bus.Command {
	t.Helper()
	select {
	case c := <-commands:
		return c
	case <-testContext(t).Done():
		t.Fatal("no command came")
		panic("unreachable")
	}
}

// queued waits until the work queue has n commands.
func queued(t *testing.T, root *bus.Conn, n uint64) {
	t.Helper()
	streamed(t, root, events.StreamCommands, fmt.Sprint(n, " commands"), func(s jetstream.StreamState) bool { return s.Msgs == n })
}

func TestCommands(t *testing.T) {
	b := start(t, "memory", events.Procd)
	operator, procd, root := b.connect(events.Operator), b.connect(events.Procd), b.connect(events.Busd)
	first := send(t, operator, "alpha", events.StopService{}) // before anybody serves
	queued(t, root, 1)
	commands, stop := serve(t, procd)
	c := next(t, commands)
	if c.ID != first || c.Entity != "alpha" || c.Node != node || c.Source != events.Operator || c.Type != "request.stop" || c.Body != (events.StopService{}) {
		t.Errorf("got %+v", c)
	}
	var want []events.ID
	for i := range 20 {
		want = append(want, send(t, operator, events.Entity(fmt.Sprint("s", i)), events.RunPipeline{Pipeline: "p"}))
	}
	for i, id := range want {
		if c := next(t, commands); c.ID != id || c.Body.(events.RunPipeline).Pipeline != "p" {
			t.Fatalf("command %d is %+v", i, c)
		}
	}
	queued(t, root, 0)
	// The same request sent again is one.
	if err := operator.SendAs(testContext(t), first, to("alpha"), events.StopService{}); err != nil {
		t.Fatal(err)
	}
	stop()
	last := send(t, operator, "alpha", events.StartService{})
	commands, _ = serve(t, procd)
	if c := next(t, commands); c.ID != last {
		t.Errorf("got %+v", c)
	}
}

func TestCommandsForOthers(t *testing.T) {
	b := start(t, "memory", events.Procd, events.Pipelined)
	commands, _ := serve(t, b.connect(events.Procd))
	operator := b.connect(events.Operator)
	other := to("alpha")
	other.Target = events.Pipelined
	if _, err := operator.Send(testContext(t), other, events.CancelRun{}); err != nil {
		t.Fatal(err)
	}
	other = to("alpha")
	other.Node = "elsewhere"
	if _, err := operator.Send(testContext(t), other, events.StopService{}); err != nil {
		t.Fatal(err)
	}
	mine := send(t, operator, "alpha", events.StopService{})
	if c := next(t, commands); c.ID != mine {
		t.Errorf("got %+v", c)
	}
}

// TestCommandAgain: a command that could not be handled comes again, and the one
// behind it waits.
func TestCommandAgain(t *testing.T) {
	b := start(t, "memory", events.Procd)
	operator, procd := b.connect(events.Operator), b.connect(events.Procd)
	tried := make(chan events.Entity, 100)
	failures := 2
	testproc.Background(t, func(ctx context.Context) error {
		return procd.ServeCommands(ctx, node, events.Procd, func(_ context.Context, c bus.Command) error {
			tried <- c.Entity
			if c.Entity == "alpha" && failures > 0 {
				failures--
				return errors.New("not now")
			}
			return nil
		})
	})
	send(t, operator, "alpha", events.StopService{})
	send(t, operator, "beta", events.StopService{})
	var got []events.Entity
	for range 4 {
		got = append(got, <-tried)
	}
	if !slices.Equal(got, []events.Entity{"alpha", "alpha", "alpha", "beta"}) {
		t.Errorf("got %v", got)
	}
}

// TestCommandCutOff: a target that ended within a command gets it again.
func TestCommandCutOff(t *testing.T) {
	b := start(t, "memory", events.Procd)
	operator, procd := b.connect(events.Operator), b.connect(events.Procd)
	id := send(t, operator, "alpha", events.StopService{})
	began := make(chan struct{})
	stop := testproc.Background(t, func(ctx context.Context) error {
		return procd.ServeCommands(ctx, node, events.Procd, func(ctx context.Context, _ bus.Command) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		})
	})
	<-began
	stop()
	commands, _ := serve(t, procd)
	if c := next(t, commands); c.ID != id {
		t.Errorf("got %+v", c)
	}
}

// TestCommandsSurvive: servers that restart, with and without their memory.
func TestCommandsSurvive(t *testing.T) {
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			b := start(t, store, events.Procd)
			operator := b.connect(events.Operator)
			commands, _ := serve(t, b.connect(events.Procd))
			for range 3 {
				id := send(t, operator, "alpha", events.StopService{})
				if c := next(t, commands); c.ID != id {
					t.Errorf("got %+v", c)
				}
				b.down()
				type sent struct {
					id  events.ID
					err error
				}
				done := make(chan sent)
				ctx := testContext(t)
				go func() { // asked while the bus is away
					id, err := operator.Send(ctx, to("beta"), events.StopService{})
					done <- sent{id, err}
				}()
				b.up()
				s := <-done
				if s.err != nil {
					t.Fatal(s.err)
				}
				if c := next(t, commands); c.ID != s.id {
					t.Errorf("got %+v", c)
				}
			}
		})
	}
}

// TestCommandConsumerLost: the place in the queue may be removed under the
// target.
func TestCommandConsumerLost(t *testing.T) {
	b := start(t, "memory", events.Procd)
	root, operator := b.connect(events.Busd), b.connect(events.Operator)
	commands, _ := serve(t, b.connect(events.Procd))
	send(t, operator, "alpha", events.StopService{})
	next(t, commands)
	for range 3 {
		if err := root.JS.DeleteConsumer(testContext(t), events.StreamCommands, events.Durable(node, events.Procd)); err != nil {
			t.Fatal(err)
		}
		id := send(t, operator, "alpha", events.StopService{})
		if c := next(t, commands); c.ID != id {
			t.Errorf("got %+v", c)
		}
	}
	if err := root.JS.DeleteStream(testContext(t), events.StreamCommands); err != nil {
		t.Fatal(err)
	}
	if err := bus.EnsurePlatform(testContext(t), root.JS, bus.Store{}); err != nil {
		t.Fatal(err)
	}
	id := send(t, operator, "alpha", events.StopService{})
	if c := next(t, commands); c.ID != id {
		t.Errorf("got %+v", c)
	}
}

// TestBadCommands: what is no command is taken off the queue and told.
func TestBadCommands(t *testing.T) {
	b := start(t, "memory", events.Procd)
	root, operator, procd := b.connect(events.Busd), b.connect(events.Operator), b.connect(events.Procd)
	p := b.publisher(procd, events.Procd)
	p.State("procd", events.DaemonReady{}, "")
	flush(t, p)
	const good = `{"id":"i1","type":"request.stop","version":1,"time":"2030-01-02T03:04:05Z","node":"local","source":"operator","entity":"alpha","data":{}}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, data := range []string{
		"hello",
		with(`"data":{}`, `"data":{"now":true}`),
		with(`request.stop`, `request.explode`),
		with(`"alpha"`, `"beta"`),
		with(`request.stop`, `service.stopped`),
		with(`"i1"`, `"i 1"`),
		with(`"local"`, `"elsewhere"`),
		`{"id":"big","x":"` + strings.Repeat("x", events.MaxEnvelope) + `"}`,
	} {
		if _, err := root.JS.Publish(testContext(t), "core.command.local.procd.alpha.stop", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.JS.Publish(testContext(t), "core.command.local.procd.alpha.sub.stop", []byte(good)); err != nil {
		t.Fatal(err)
	}
	commands, _ := serve(t, procd)
	id := send(t, operator, "alpha", events.StopService{})
	if c := next(t, commands); c.ID != id {
		t.Errorf("got %+v", c)
	}
	queued(t, root, 0)
	flush(t, p)
	var got []string
	for r, err := range operator.Events().Read(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Reason string }
		if err := json.Unmarshal(e.Data, &body); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %q: %s", e.Type, e.Entity, e.Cause, body.Reason))
	}
	want := []string{
		`dead.malformed dead "": invalid character 'h' at start of value`,
		`dead.malformed dead "": body of request.stop: /now: unknown object member name`,
		`command.rejected alpha "i1": malformed envelope at sequence 2: body of request.stop: /now: unknown object member name`,
		`dead.unknown dead "": type "request.explode" version 1 from "operator" is not known to this build`,
		`command.rejected alpha "i1": unknown envelope at sequence 3: type "request.explode" version 1 from "operator" is not known to this build`,
		`dead.malformed dead "": request.stop about beta on node local does not belong on core.command.local.procd.alpha.stop`,
		`command.rejected alpha "i1": malformed envelope at sequence 4: request.stop about beta on node local does not belong on core.command.local.procd.alpha.stop`,
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	tail := strings.Join(got[len(want):], "\n")
	for _, w := range []string{"service.stopped about alpha on node local does not belong", `field "id": the name "i 1"`, "dead.oversized dead", `command.rejected alpha "big"`, "want core.command followed by four tokens"} {
		if !strings.Contains(tail, w) {
			t.Errorf("no %s in\n%s", w, tail)
		}
	}
}

func TestSendFails(t *testing.T) {
	b := start(t, "memory")
	operator := b.connect(events.Operator)
	if _, err := operator.Send(testContext(t), to("a b"), events.StopService{}); err == nil || err.Error() != `ask procd on node local for stop of a b: the name "a b" has ' ': use letters, digits, '-' or '_'` {
		t.Errorf("got %v", err)
	}
	big := events.RunPipeline{Pipeline: strings.Repeat("x", events.MaxEnvelope)}
	if _, err := operator.Send(testContext(t), to("r1"), big); err == nil || !strings.Contains(err.Error(), "oversized") {
		t.Errorf("got %v", err)
	}
	b.down()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := operator.Send(ctx, to("alpha"), events.StopService{}); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "ask procd on node local for stop of alpha: ") {
		t.Errorf("got %v", err)
	}
	operator.Close()
	if _, err := operator.Send(testContext(t), to("alpha"), events.StopService{}); err == nil {
		t.Error("a closed connection sends")
	}
}
