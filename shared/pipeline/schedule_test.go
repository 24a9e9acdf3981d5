package pipeline_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

var update = flag.Bool("update", false, "write what the scripts in testdata print")

// Each script is a sequence of blocks: a command, perhaps with lines of input,
// "----", and what it prints.
func TestSchedule(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(b))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(b), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	var out []string
	s := &scheduler{t: t, now: time.Unix(0, 0)}
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		input, _, _ := strings.Cut(block, "\n----")
		lines := strings.Split(input, "\n")
		var comments []string
		for strings.HasPrefix(lines[0], "#") {
			comments, lines = append(comments, lines[0]), lines[1:]
		}
		result := strings.TrimRight(s.do(strings.Fields(lines[0]), lines[1:]), "\n")
		out = append(out, strings.Join(append(comments, lines...), "\n")+"\n----\n"+result)
	}
	return strings.Join(out, "\n\n") + "\n"
}

type scheduler struct {
	t     *testing.T
	run   pipeline.Run
	limit int
	now   time.Time
	n     int
}

func (s *scheduler) do(words, input []string) string {
	switch words[0] {
	case "start":
		s.limit, _ = strconv.Atoi(words[1])
		var graph pipeline.Graph
		for _, line := range input {
			f := strings.Fields(line)
			graph = append(graph, pipeline.Step{Name: f[0], After: f[1:]})
		}
		return s.apply("cmd", events.RunStarted{Pipeline: "p", Steps: graph.Statuses()})
	case "begin":
		attempt := 1
		if len(words) > 2 {
			attempt, _ = strconv.Atoi(words[2])
		}
		return s.apply("", events.StepBegan{Pipeline: "p", Step: words[1], Attempt: attempt})
	case "end":
		return s.apply("", events.StepEnded{Pipeline: "p", Step: words[1], State: events.StepState(words[2]), Reason: strings.Join(words[3:], " ")})
	case "cancelling":
		return s.apply(events.ID(words[2]), events.StepCancelling{Pipeline: "p", Step: words[1]})
	case "finish":
		return s.apply("", events.RunEnded{Pipeline: "p", State: events.StepState(words[1]), Reason: strings.Join(words[2:], " ")})
	case "desire":
		return s.apply("", events.ServiceDesired{})
	case "interrupt":
		s.run = s.run.Interrupted()
		return s.decision()
	case "show":
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s request=%s cancelling=%v by=%v reason=%q\n", s.run.ID, s.run.State, s.run.Request, s.run.Cancelling, s.run.Cancels, s.run.Reason)
		for _, step := range s.run.Steps {
			fmt.Fprintf(&b, "%s %s attempt=%d began=%d ended=%d reason=%q\n", step.Name, step.State, step.Attempt, unix(step.Began), unix(step.Ended), step.Reason)
		}
		return b.String()
	}
	s.t.Fatalf("unknown command %q", words[0])
	return ""
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.Unix()
}

func (s *scheduler) apply(cause events.ID, body events.Body) string {
	s.n++
	s.now = s.now.Add(time.Second)
	e, err := events.New(events.Header{
		ID: events.ID(fmt.Sprintf("e%d", s.n)), Time: s.now, Node: "n", Source: events.Pipelined, Entity: "r1", Cause: cause,
	}, body)
	if err != nil {
		s.t.Fatal(err)
	}
	next, err := s.run.Apply(e)
	if err != nil {
		return "error: " + err.Error()
	}
	s.run = next
	return s.decision()
}

func (s *scheduler) decision() string {
	d := s.run.Next(s.limit)
	var b strings.Builder
	for _, end := range d.End {
		fmt.Fprintf(&b, "%s %s: %s\n", end.State, end.Step, end.Reason)
	}
	for _, step := range d.Stop {
		fmt.Fprintf(&b, "stop %s\n", step)
	}
	for _, begin := range d.Begin {
		fmt.Fprintf(&b, "begin %s attempt %d\n", begin.Step, begin.Attempt)
	}
	if d.Over {
		fmt.Fprintf(&b, "over %s: %s\n", d.State, d.Reason)
	}
	if b.Len() == 0 {
		return "wait"
	}
	return b.String()
}
