package coordinator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/coordinator"
	"core.internal/shared/state"
)

func TestRun(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined()
	request := s.ask("r1", events.RunPipeline{Pipeline: "greet", Params: map[string]string{"who": "alpha"}})
	if got := s.outcome(request); got != "run completed" {
		t.Errorf("outcome %q", got)
	}
	r := s.until("r1", state.Run.Ended)
	if got, want := show(r), "greet completed name=completed greet=completed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r.Params["who"] != "alpha" || r.Steps[1].Began.Before(*r.Steps[0].Ended) {
		t.Errorf("run %+v", r)
	}
	want := "run.started name.began name.ended greet.began greet.ended"
	// The end is recorded after it was told.
	if got := strings.Join(s.journal("r1"), " "); got != want && got != want+" run.ended" {
		t.Errorf("journal\n got %s\nwant %s", got, want)
	}
	if got := s.read("logs", "r1", "name.log"); got != "the name\nis \xff\nand no end\n" {
		t.Errorf("name.log: %q", got)
	}
	if got := s.read("logs", "r1", "greet.log"); got != "hello ALPHA\n" {
		t.Errorf("greet.log: %q", got)
	}
	var lines []string
	if err := s.shell.Lines(s.ctx(), bus.Lines{Node: node, Entity: "r1"}, func(a events.LogAddress, l events.LogLine) error {
		lines = append(lines, fmt.Sprintf("%s: %s%s", a.Stream, l.Text, l.Raw))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines, "\n"), "name: the name\nname: is \xff\nname: and no end\ngreet: hello ALPHA"; got != want {
		t.Errorf("lines\n%s\nwant\n%s", got, want)
	}
}

func TestRejections(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined()
	if got := s.outcome(s.ask("done", events.RunPipeline{Pipeline: "greet"})); got != "run completed" {
		t.Fatal(got)
	}
	s.ask("holding", events.RunPipeline{Pipeline: "await"})
	s.until("holding", running("await"))
	for _, c := range []struct {
		run  events.Entity
		body events.Body
		want string
	}{
		{"r1", events.RunPipeline{Pipeline: "gret"}, `run rejected: unknown pipeline "gret": did you mean "greet"?`},
		{"r1", events.RunPipeline{Pipeline: "greet", Params: map[string]string{"whom": ""}}, `run rejected: parameter "whom" of pipeline greet: unknown: did you mean "who"?`},
		{"done", events.RunPipeline{Pipeline: "greet"}, "run rejected: there is a run done already: choose another name"},
		{"holding", events.RunPipeline{Pipeline: "greet"}, "run rejected: there is a run holding already: choose another name"},
		{"done", events.CancelRun{}, "cancel rejected: run done has ended: it completed"},
		{"holdign", events.CancelRun{}, `cancel rejected: unknown run "holdign": did you mean "holding"?`},
		{"mercury", events.CancelRun{}, `cancel rejected: unknown run "mercury": 1 are going on`},
		{"r1", events.EnableService{}, "enable rejected: pipelined knows no enable: it takes run and cancel"},
	} {
		if got := s.outcome(s.ask(c.run, c.body)); got != c.want {
			t.Errorf("%T of %s\n got %s\nwant %s", c.body, c.run, got, c.want)
		}
	}
	if got := s.journal("r1"); len(got) > 0 {
		t.Errorf("a rejected run left %s", got)
	}
	s.write("holding")
	s.until("holding", state.Run.Ended)
}

func TestFailingSteps(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined()
	got := s.outcome(s.ask("r1", events.RunPipeline{Pipeline: "fail"}))
	for _, want := range []string{
		"run failed: step bad: disk full\nline 10\nline 11\n", "\nline 19\n",
		"step panic: panic: no such thing\n", "step large: its result has 262146 bytes: put what is large into a file or the object store",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the reason lacks %q:\n%s", want, got)
		}
	}
	r := s.until("r1", state.Run.Ended)
	if got, want := show(r), "fail failed bad=failed after=skipped panic=failed large=failed fine=completed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := r.Steps[1].Reason; got != "bad failed" {
		t.Errorf("after was skipped because %q", got)
	}
}

func TestCancel(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined()
	request := s.ask("r1", events.RunPipeline{Pipeline: "hold"})
	s.until("r1", running("hold"))
	pid := s.pid("r1")
	cancel := s.ask("r1", events.CancelRun{})
	if got := s.outcome(cancel); got != "cancel completed" {
		t.Errorf("cancel: %q", got)
	}
	if got := s.outcome(request); got != "run failed: cancelled on request" {
		t.Errorf("run: %q", got)
	}
	if got, want := show(s.until("r1", state.Run.Ended)), "hold cancelled first=completed hold=cancelled last=cancelled"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.gone(pid)
	want := "run.started first.began first.ended hold.began hold.cancelling last.ended hold.ended"
	if got := strings.Join(s.journal("r1"), " "); !strings.HasPrefix(got, want) {
		t.Errorf("journal\n got %s\nwant %s", got, want)
	}
}

// Runs beyond the limit wait, and one that waits can be cancelled.
func TestLimit(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined(func(o *childOptions) { o.Runs = 1 })
	first := s.ask("r1", events.RunPipeline{Pipeline: "await"})
	s.until("r1", running("await"))
	second := s.ask("r2", events.RunPipeline{Pipeline: "greet"})
	third := s.ask("r3", events.RunPipeline{Pipeline: "greet"})
	s.until("r3", func(r state.Run) bool { return r.State == events.StepRunning })
	if got := s.outcome(s.ask("r3", events.CancelRun{})); got != "cancel completed" {
		t.Errorf("cancel: %q", got)
	}
	if got := s.outcome(third); got != "run failed: cancelled on request" {
		t.Errorf("third: %q", got)
	}
	if got, want := show(s.until("r2", func(state.Run) bool { return true })), "greet running name=pending greet=pending"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.write("r1")
	for _, request := range []events.ID{first, second} {
		if got := s.outcome(request); got != "run completed" {
			t.Errorf("outcome %q", got)
		}
	}
}

func TestOldLogsAreRemoved(t *testing.T) {
	s := newSite(t, server.Memory)
	s.pipelined() // keeps three
	for i := range 6 {
		run := events.Entity(fmt.Sprintf("r%d", i))
		if got := s.outcome(s.ask(run, events.RunPipeline{Pipeline: "greet"})); got != "run completed" {
			t.Fatal(got)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "r2 r3 r4 r5" {
		t.Errorf("the logs of %s are kept", got)
	}
}

func TestBadOptions(t *testing.T) {
	registry, err := pipeline.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	whole := coordinator.Options{Node: node, Bus: &bus.Conn{}, Facts: bus.NewPublisher(bus.PublisherOptions{}), Pipelines: registry, Dir: t.TempDir()}
	for want, spoil := range map[string]func(*coordinator.Options){
		"coordinator: Bus, Facts and Pipelines are required": func(o *coordinator.Options) { o.Bus = nil },
		"coordinator: Dir is required":                       func(o *coordinator.Options) { o.Dir = "" },
		"coordinator: node: the name \"a b\" has ' '":        func(o *coordinator.Options) { o.Node = "a b" },
	} {
		o := whole
		spoil(&o)
		if _, err := coordinator.New(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
