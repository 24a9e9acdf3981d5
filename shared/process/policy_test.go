package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"core.internal/shared/process"
	"core.internal/shared/spec"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestVerdicts runs stories: ends with the verdict after each. An end is
// "SECONDS" for a crash, with the suffixes "ok" for status 0, "x" for one that
// was asked for, "!" for one that is permanent and "h" for one after ten seconds
// of health.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, policy, story string
		want                []string
	}{
		{"first restart is at once", "on-failure", "0 0 0 0", []string{"start +0s", "start +100ms", "start +200ms", "start +400ms"}},
		{"status 0 completes", "on-failure", "0ok", []string{"complete"}},
		{"status 0 completes after crashes", "on-failure", "0 0 1ok", []string{"start +0s", "start +100ms", "complete"}},
		{"always", "always", "0ok 0ok", []string{"start +0s", "start +100ms"}},
		{"never, crashed", "never", "0", []string{"give up: no; its restart policy is never"}},
		{"never, completed", "never", "0ok", []string{"complete"}},
		{"asked for", "never", "0x", []string{"start at any time"}},
		{"asked for forgives", "on-failure", "0 0 0x 1", []string{"start +0s", "start +100ms", "start at any time", "start +0s"}},
		{"permanent", "always", "0!", []string{"give up: no"}},
		{"budget", "on-failure", "0 1 2 3 4 5 6", []string{"start +0s", "start +100ms", "start +200ms", "start +400ms", "start +800ms", "start +1.6s",
			"give up: ended 7 times within 6s (at most 6 in 1m0s): no"}},
		{"slow crashes use up no budget", "on-failure", "0 61 122 183 244 305 366 427 488", []string{"start +0s", "start +100ms", "start +200ms",
			"start +400ms", "start +800ms", "start +1.6s", "start +3.2s", "start +6.4s", "start +12.8s"}},
		{"healthy uptime forgives", "on-failure", "0 1 2 3 4 5 20h 21", []string{"start +0s", "start +100ms", "start +200ms", "start +400ms",
			"start +800ms", "start +1.6s", "start +0s", "start +100ms"}},
		{"default is on-failure", "", "0ok", []string{"complete"}},
	} {
		p := process.DefaultPolicy(spec.RestartPolicy(c.policy))
		var h process.History
		var got []string
		for _, word := range strings.Fields(c.story) {
			var seconds int
			var suffix string
			fmt.Sscanf(word, "%d%s", &seconds, &suffix)
			e := process.End{At: epoch.Add(time.Duration(seconds) * time.Second), Reason: "no"}
			switch suffix {
			case "ok":
				e.OK = true
			case "x":
				e.Expected = true
			case "!":
				e.Permanent = true
			case "h":
				e.HealthySince = e.At.Add(-10 * time.Second)
			}
			h = p.Record(h, e)
			v := p.Verdict(h)
			text := string(v.Next)
			switch {
			case v.Next == process.StartAgain && v.At.IsZero():
				text += " at any time"
			case v.Next == process.StartAgain:
				text += " +" + v.At.Sub(e.At).String()
			case v.Reason != "":
				text += ": " + v.Reason
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// What never ran did not end.
func TestVerdictOfFailedStarts(t *testing.T) {
	p := process.DefaultPolicy("")
	p.Budget = 2
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ran  []bool
		want string
	}{
		{[]bool{false, false}, "could not be started 2 times within 1s (at most 1 in 1m0s): port held"},
		{[]bool{true, false}, "ended 2 times within 1s (at most 1 in 1m0s): port held"},
		{[]bool{false, true}, "ended 2 times within 1s (at most 1 in 1m0s): port held"},
	} {
		var h process.History
		for i, ran := range c.ran {
			h = p.Record(h, process.End{At: at.Add(time.Duration(i) * time.Second), Reason: "port held", Unstarted: !ran})
		}
		if v := p.Verdict(h); v.Next != process.GiveUp || v.Reason != c.want {
			t.Errorf("%v: %+v, want %s", c.ran, v, c.want)
		}
	}
}

func TestDelay(t *testing.T) {
	p := process.DefaultPolicy("")
	for n, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: 0, 2: 100 * time.Millisecond, 10: 25600 * time.Millisecond, 11: 30 * time.Second, 100000: 30 * time.Second,
	} {
		if got := p.Delay(n); got != want {
			t.Errorf("Delay(%d) = %v, want %v", n, got, want)
		}
	}
	if got := (process.Policy{}).Delay(5); got != 0 {
		t.Errorf("the zero policy waits %v", got)
	}
}

// A history is a value: recording leaves the old one as it was; it stays small;
// and delays never shrink without health between.
// What a spec says of restarts, beside the defaults for what it does not say.
func TestPolicyOf(t *testing.T) {
	parse := func(policy string) process.Policy {
		s, err := spec.Parse("a.json", []byte(`{"id": "a", "process": {"command": "x"`+policy+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		if with := process.PolicyOf(s.WithDefaults()); with != process.PolicyOf(s) {
			t.Errorf("%s: the schema's defaults are others: %+v, %+v", policy, with, process.PolicyOf(s))
		}
		return process.PolicyOf(s)
	}
	seeded := func(p process.Policy) process.Policy { p.Seed = "a"; return p }
	for policy, want := range map[string]process.Policy{
		``:                                      seeded(process.DefaultPolicy("")),
		`, "restartPolicy": "always"`:           seeded(process.DefaultPolicy(spec.RestartAlways)),
		`, "restartPolicy": {"policy":"never"}`: seeded(process.DefaultPolicy(spec.RestartNever)),
		`, "restartPolicy": {"initialBackoff": "1s", "maxBackoff": "2s", "factor": 1.5, "jitter": 0.5, "budget": {"restarts": 2, "window": "1h"}, "resetAfter": "3s"}`: {
			Restart: spec.RestartOnFailure, Initial: time.Second, Max: 2 * time.Second, Factor: 1.5, Jitter: 0.5, Seed: "a",
			Budget: 3, Window: time.Hour, Reset: 3 * time.Second,
		},
	} {
		if got := parse(policy); got != want {
			t.Errorf("%s: %+v, want %+v", policy, got, want)
		}
	}
}

// Jitter cuts off no more than its part, differs between services, and is the
// same whenever it is asked for.
func TestJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := process.DefaultPolicy("")
		n := rapid.IntRange(0, 50).Draw(t, "n")
		whole := p.Delay(n)
		p.Jitter, p.Seed = rapid.Float64Range(0, 1).Draw(t, "jitter"), rapid.String().Draw(t, "seed")
		d := p.Delay(n)
		if least := time.Duration(float64(whole)*(1-p.Jitter)) - time.Nanosecond; d < least || d > whole || d < 0 || d != p.Delay(n) {
			t.Fatalf("%s, then %s, of %s with %v", d, p.Delay(n), whole, p.Jitter)
		}
	})
	seen := map[time.Duration]bool{}
	for i := range 100 {
		p := process.DefaultPolicy("")
		p.Jitter, p.Seed = 1, fmt.Sprint("s", i)
		seen[p.Delay(8)] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 services have %d delays", len(seen))
	}
}

func TestRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := process.DefaultPolicy(spec.RestartAlways)
		p.Budget = 0
		var h process.History
		at := epoch
		last := time.Duration(0)
		for range rapid.IntRange(0, 50).Draw(t, "ends") {
			at = at.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "gap")) * time.Millisecond)
			before := fmt.Sprint(h)
			next := p.Record(h, process.End{At: at, Reason: "no"})
			if fmt.Sprint(h) != before {
				t.Fatal("the old history changed")
			}
			h = next
			for _, r := range h.Recent {
				if at.Sub(r) >= p.Window {
					t.Fatalf("an end at %v is remembered at %v", r, at)
				}
			}
			if d := p.Verdict(h).At.Sub(at); d < last {
				t.Fatalf("the delay went from %v to %v", last, d)
			} else {
				last = d
			}
		}
	})
}
