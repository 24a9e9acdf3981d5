package coordinator_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// After kill -9 a run goes on where it stood: what was completed is not done
// again, what was going on is, after what it left is gone.
func TestKillAndResume(t *testing.T) {
	s := newSite(t, server.Memory)
	first := s.spawn()
	request := s.ask("r1", events.RunPipeline{Pipeline: "hold"})
	s.until("r1", running("hold"))
	pid := s.pid("r1")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	s.spawn()
	if got := s.outcome(request); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	s.gone(pid)
	if got := s.read("r1.first.count"); got != "1\n" {
		t.Errorf("first had attempts %q", got)
	}
	if got := s.read("r1.hold.count"); got != "1\n2\n" {
		t.Errorf("hold had attempts %q", got)
	}
	if got := s.read("logs", "r1", "hold.log"); !strings.Contains(got, "interrupted: killed 1 processes that it left\nattempt 2: the one before was interrupted\n") {
		t.Errorf("hold.log: %s", got)
	}
	want := "run.started first.began first.ended hold.began hold.began hold.ended last.began last.ended"
	if got := strings.Join(s.journal("r1"), " "); !strings.HasPrefix(got, want) {
		t.Errorf("journal\n got %s\nwant %s", got, want)
	}
	if got, want := show(s.until("r1", state.Run.Ended)), "hold completed first=completed hold=completed last=completed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !s.resumed("r1") {
		t.Error("no fact says that the run was resumed")
	}
}

// Asked to stop, a coordinator stops its steps and leaves the run to the next.
func TestStopAndResume(t *testing.T) {
	s := newSite(t, server.File)
	stop := s.pipelined()
	request := s.ask("r1", events.RunPipeline{Pipeline: "hold"})
	s.until("r1", running("hold"))
	pid := s.pid("r1")
	stop()
	s.gone(pid)
	if r := s.until("r1", func(state.Run) bool { return true }); r.State != events.StepRunning {
		t.Errorf("the run is %s", r.State)
	}
	s.down() // the node is down, and comes up again
	s.up()
	s.pipelined()
	if got := s.outcome(request); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	if got := s.outcome(s.ask("r1", events.RunPipeline{Pipeline: "hold"})); !strings.Contains(got, "there is a run r1 already") {
		t.Errorf("outcome %q", got)
	}
}

// A cancelled run that is killed is not taken up again.
func TestKilledWhileCancelling(t *testing.T) {
	s := newSite(t, server.Memory)
	first := s.spawn()
	request := s.ask("r1", events.RunPipeline{Pipeline: "hold"})
	s.until("r1", running("hold"))
	pid := s.pid("r1")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	// What a coordinator would have appended had it been killed right after.
	cancel := bus.NewID()
	s.append(events.StepCancelling{Pipeline: "hold", Step: "hold"}, cancel)
	s.pipelined()
	if got := s.outcome(request); got != "run failed: cancelled on request" {
		t.Errorf("run: %q", got)
	}
	if got := s.outcome(cancel); got != "cancel completed" {
		t.Errorf("cancel: %q", got)
	}
	s.gone(pid)
	if got := s.read("r1.hold.count"); got != "1\n" {
		t.Errorf("hold had attempts %q", got)
	}
}

// Entries that nobody understands do not keep the others from being resumed.
func TestMalformedJournal(t *testing.T) {
	s := newSite(t, server.Memory)
	conn, err := bus.Connect(s.ctx(), s.options(events.Pipelined))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, subject := range []events.Subject{
		events.RunSubject("hold", "bad", "run", "started"), events.RunSubject("hold", "bad", "first", "ended"),
	} {
		if _, err := conn.JS.Publish(s.ctx(), string(subject), []byte(`{"id":`)); err != nil {
			t.Fatal(err)
		}
	}
	s.append(events.StepBegan{Pipeline: "hold", Step: "first", Attempt: 1}, "") // without a beginning
	stop := s.pipelined()
	if got := s.outcome(s.ask("r2", events.RunPipeline{Pipeline: "greet"})); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	stop()

	// A pipeline that is not there any more.
	s.appendAs("gone", "r3", "run", events.RunStarted{Pipeline: "gone", Steps: []events.StepStatus{{Name: "a", State: events.StepPending}}}, "q3")
	// Parameters that are not taken any more.
	s.appendAs("greet", "r4", "run", events.RunStarted{Pipeline: "greet", Params: map[string]string{"size": "1"}}, "q4")
	s.pipelined()
	for id, want := range map[events.ID]string{
		"q3": `run failed: unknown pipeline "gone": there are await, fail, greet, hold`,
		"q4": `run failed: parameter "size" of pipeline greet: unknown: it has who`,
	} {
		if got := s.outcome(id); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func (s *site) append(body events.Body, cause events.ID) {
	s.t.Helper()
	step := "hold"
	if b, ok := body.(events.StepBegan); ok {
		step = b.Step
	}
	s.appendAs("hold", "r1", step, body, cause)
}

// appendAs writes to a run's journal as pipelined.
func (s *site) appendAs(pipeline string, run events.Entity, step string, body events.Body, cause events.ID) {
	s.t.Helper()
	conn, err := bus.Connect(s.ctx(), s.options(events.Pipelined))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	e, err := events.New(events.Header{ID: bus.NewID(), Time: now(), Node: node, Source: events.Pipelined, Entity: run, Cause: cause}, body)
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := e.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.JS.Publish(s.ctx(), string(events.RunSubject(pipeline, string(run), step, e.Type.Fact())), data); err != nil {
		s.t.Fatal(err)
	}
}

// resumed reports whether the run's facts tell that it was taken up again.
func (s *site) resumed(run events.Entity) bool {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx())
	defer cancel()
	resumed := false
	filter := events.FactSubject(node, events.Pipelined, run, events.RunStarted{}.EventType().Fact())
	err := s.shell.Follow(ctx, bus.Follow{Stream: events.StreamEvents, Filter: filter, Live: cancel}, func(r events.Record) error {
		e, err := events.DecodeRecord(r)
		if err != nil {
			return err
		}
		b, err := events.As[events.RunStarted](e)
		resumed = resumed || b.Resumed
		return err
	})
	if !errors.Is(err, context.Canceled) {
		s.t.Fatal(err)
	}
	return resumed
}
