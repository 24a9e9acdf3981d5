package ui

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/testutil/golden"
)

// A story is a txtar of sections: facts, one a line as "SECOND SOURCE ENTITY
// CAUSE TYPE BODY", where CAUSE is a name, "-" for none or "@N" for the Nth fact;
// and what the explanation of "alpha", or its trace, is a minute after the
// last of them, or at the time that a line "now SECOND" says. A line "decided JSON"
// is what operators decided about it.
type story struct {
	s     state.State
	facts []events.Envelope
	now   time.Time

	decided *events.Desired
}

func (y *story) take(t *testing.T, text string) {
	for line := range strings.Lines(text) {
		word := strings.SplitN(strings.TrimSpace(line), " ", 6)
		var second float64
		if _, err := fmt.Sscan(word[len(word)-1], &second); word[0] == "now" && err == nil {
			y.now = began.Add(time.Duration(second * float64(time.Second)))
			continue
		}
		if value, ok := strings.CutPrefix(line, "decided "); ok {
			if err := json.Unmarshal([]byte(value), &y.decided); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if len(word) < 5 {
			t.Fatalf("line %q: want SECOND SOURCE ENTITY CAUSE TYPE BODY", line)
		}
		if _, err := fmt.Sscan(word[0], &second); err != nil {
			t.Fatal(err)
		}
		e := events.Envelope{
			ID: events.ID(fmt.Sprintf("@%d", len(y.facts)+1)), Type: events.Type(word[4]), Version: 1, Node: "local",
			Time: began.Add(time.Duration(second * float64(time.Second))), Source: events.Source(word[1]), Entity: events.Entity(word[2]),
			Seq: uint64(len(y.facts) + 1), Data: json.RawMessage(`{}`),
		}
		if word[3] != "-" {
			e.Cause = events.ID(word[3])
		}
		if len(word) == 6 {
			e.Data = json.RawMessage(word[5])
		}
		if _, err := events.Payload(e); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		y.facts, y.s, y.now = append(y.facts, e), state.Fold(y.s, e), e.Time.Add(time.Minute)
	}
}

// of are the facts about alpha by its supervisor.
func (y *story) of(id events.Entity) []events.Envelope {
	var list []events.Envelope
	for _, e := range y.facts {
		if e.Entity == id && e.Source == events.Procd {
			list = append(list, e)
		}
	}
	return list
}

func TestStories(t *testing.T) {
	golden.Scripts(t, *update, "facts", func() golden.Script {
		y := &story{s: state.New("local")}
		return golden.Script{In: y.take, Out: func(t *testing.T) string {
			policy := process.DefaultPolicy(spec.RestartOnFailure)
			w, ok := Explain(y.s, "alpha", WhyOptions{Now: y.now, Facts: y.of("alpha"), Policy: &policy, Decided: y.decided})
			if !ok {
				t.Fatal("there is no alpha")
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s [%s %s]\n", w.Headline, w.State.Tone, w.Health.Text)
			for _, r := range w.Reasons {
				fmt.Fprintf(&b, "%s- %s: %s [%s]\n", strings.Repeat("  ", r.Depth), r.Subject, r.Text, r.Tone)
			}
			for _, l := range w.Lines {
				fmt.Fprintf(&b, "| %s\n", l)
			}
			for _, f := range w.Facts {
				fmt.Fprintf(&b, "%d %s %s (%s)\n", f.Seq, f.Type, f.Text, f.Cause)
			}
			for _, f := range w.Fixes {
				fmt.Fprintf(&b, "$ %s\n", f.Command)
			}
			tr := Tell("alpha", y.of("alpha"), time.Time{}, y.now)
			b.WriteString("trace:\n")
			for _, l := range tr.Instances {
				one, err := json.Marshal(l)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "%s\n", one)
			}
			sum, err := json.Marshal(tr.Totals)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\n", sum)
			return b.String()
		}}
	})
}

func TestExplainNobody(t *testing.T) {
	if _, ok := Explain(state.New("local"), "nobody", WhyOptions{}); ok {
		t.Error("a service that there is not was explained")
	}
}

// A dependency that goes round, which specs may not have, ends.
func TestExplainEndless(t *testing.T) {
	s := state.New("local")
	for id, on := range map[events.Entity]string{"a": "b", "b": "a"} {
		s.Services[id] = state.Service{
			ID: id, State: state.ServiceWaiting, Desired: events.ServiceDesired{Running: true},
			Registered: events.ServiceRegistered{Dependencies: []string{on}},
		}
	}
	w, _ := Explain(s, "a", WhyOptions{Now: began})
	if n := len(w.Reasons); n < 3 || n > 6 {
		t.Errorf("reasons %+v", w.Reasons)
	}
}
