package pipeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// Whatever steps do, however a run is interrupted or cancelled: it ends, begins
// no step before its inputs are there, and never more than the limit.
func TestEveryRunEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var graph pipeline.Graph
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			s := pipeline.Step{Name: fmt.Sprintf("s%d", i)}
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
					s.After = append(s.After, graph[j].Name)
				}
			}
			graph = append(graph, s)
		}
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		var r pipeline.Run
		apply := func(b events.Body) {
			e, err := events.New(events.Header{ID: "e", Time: time.Unix(1, 0), Node: "n", Source: events.Pipelined, Entity: "r"}, b)
			if err != nil {
				t.Fatal(err)
			}
			if r, err = r.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		apply(events.RunStarted{Pipeline: "p", Steps: graph.Statuses()})
		for range 1000 {
			d := r.Next(limit)
			if d.Over {
				checkEnd(t, r, d)
				return
			}
			for _, end := range d.End {
				apply(events.StepEnded{Pipeline: "p", Step: end.Step, State: end.State, Reason: end.Reason})
			}
			for _, begin := range d.Begin {
				checkInputs(t, r, begin)
				apply(events.StepBegan{Pipeline: "p", Step: begin.Step, Attempt: begin.Attempt})
			}
			var running []string
			for _, s := range r.Steps {
				if s.State == events.StepRunning {
					running = append(running, s.Name)
				}
			}
			if limit > 0 && len(running) > limit {
				t.Fatalf("%d steps run at a time: the limit is %d", len(running), limit)
			}
			if len(running) == 0 {
				continue
			}
			one := rapid.SampledFrom(running).Draw(t, "which")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				r = r.Interrupted()
			case 1:
				apply(events.StepCancelling{Pipeline: "p", Step: one})
			case 2, 3:
				apply(events.StepEnded{Pipeline: "p", Step: one, State: events.StepFailed, Reason: "no"})
			default:
				state := events.StepCompleted
				if slices.Contains(d.Stop, one) {
					state = events.StepCancelled
				}
				apply(events.StepEnded{Pipeline: "p", Step: one, State: state})
			}
		}
		t.Fatalf("the run does not end: %+v", r)
	})
}

func checkInputs(t *rapid.T, r pipeline.Run, begin pipeline.Begin) {
	if r.Cancelling {
		t.Fatalf("%s begins in a cancelled run", begin.Step)
	}
	i := slices.IndexFunc(r.Steps, func(s pipeline.Status) bool { return s.Name == begin.Step })
	if want := r.Steps[i].Attempt + 1; begin.Attempt != want {
		t.Fatalf("%s begins as attempt %d, want %d", begin.Step, begin.Attempt, want)
	}
	for _, name := range r.Steps[i].After {
		if _, ok := r.Result(name); !ok {
			t.Fatalf("%s begins before %s is completed", begin.Step, name)
		}
	}
}

func checkEnd(t *rapid.T, r pipeline.Run, d pipeline.Decision) {
	for _, s := range r.Steps {
		if s.State == events.StepPending || s.State == events.StepRunning {
			t.Fatalf("over, but %s is %s", s.Name, s.State)
		}
		if d.State == events.StepCompleted && s.State != events.StepCompleted {
			t.Fatalf("completed, but %s is %s", s.Name, s.State)
		}
	}
}
