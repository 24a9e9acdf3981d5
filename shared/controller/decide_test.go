package controller_test

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/testutil/golden"
)

var update = flag.Bool("update", false, "rewrite the expectations under testdata")

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestDecide runs the scripts of testdata: an "in" section has one input a line,
// the "out" section after it the actions. The inputs are put into dependency
// order first. What an input says is
//
//	+NAME or -NAME              a condition that holds, or does not
//	ID STATE [WORD…]            a service
//
// with the words: unwanted, healthy, unhealthy, unready, held, on=a,b/completed
// (dependencies, with conditions),
// restart=x, answered=x, policy=p, ended=10s,11s (crashes, in seconds after the
// epoch), well=10s (an end with status 0), waited=a,b! (keys), unusable=x,
// every=10m (a cron job), next=10m (when it runs, since the epoch), replace. Lines
// "now 12s" set the clock, those that begin with # say what it is about.
func TestDecide(t *testing.T) {
	golden.Scripts(t, *update, "in", func() golden.Script {
		var got string
		return golden.Script{
			In: func(t *testing.T, text string) {
				now, in := inputs(t, text)
				got = render(controller.Decide(now, controller.Order(in)))
			},
			Out: func(*testing.T) string { return got },
		}
	})
}

func inputs(t *testing.T, text string) (time.Time, []controller.Input) {
	t.Helper()
	now := epoch
	var in []controller.Input
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		switch {
		case f[0] == "#":
		case f[0] == "now":
			now = epoch.Add(duration(t, f[1]))
		case f[0][0] == '+' || f[0][0] == '-':
			in = append(in, controller.Input{ID: f[0][1:], Condition: true, Met: f[0][0] == '+'})
		default:
			in = append(in, service(t, f))
		}
	}
	return now, in
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func service(t *testing.T, f []string) controller.Input {
	t.Helper()
	in := controller.Input{
		ID: f[0], State: state.ServiceState(f[1]), Health: state.HealthUnknown, Want: true, Policy: process.DefaultPolicy(""),
	}
	var ends []process.End
	for _, word := range f[2:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "unwanted":
			in.Want, in.Why = false, "not wanted"
		case "healthy":
			in.Health = state.HealthHealthy
		case "unhealthy":
			in.Health, in.Detail = state.HealthUnhealthy, "no answer"
		case "unready":
			in.Health, in.Detail = state.HealthUnready, "busy"
		case "held":
			in.Held = true
		case "on":
			in.Dependencies = dependencies(strings.Split(value, ",")...)
		case "restart":
			in.Restart = events.ID(value)
		case "answered":
			in.Answered = events.ID(value)
		case "policy":
			in.Policy = process.DefaultPolicy(spec.RestartPolicy(value))
		case "ended", "well":
			for _, s := range strings.Split(value, ",") {
				ends = append(ends, process.End{At: epoch.Add(duration(t, s)), OK: name == "well", Reason: "exit status 1"})
			}
		case "waited":
			in.Waited = strings.Split(value, ",")
		case "every":
			var err error
			if in.Schedule, err = spec.ParseSchedule("@every " + value); err != nil {
				t.Fatal(err)
			}
		case "next":
			in.Next = epoch.Add(duration(t, value))
		case "replace":
			in.Replace = true
		case "unusable":
			in.Unusable = value
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	for _, e := range ends {
		in.History = in.Policy.Record(in.History, e)
	}
	return in
}

// dependencies reads "a" and "a/completed".
func dependencies(words ...string) []spec.Dependency {
	var list []spec.Dependency
	for _, w := range words {
		id, condition, _ := strings.Cut(w, "/")
		list = append(list, spec.Dependency{Service: id, Condition: spec.Condition(condition)})
	}
	return list
}

func render(actions []controller.Action, next time.Time) string {
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintf(&b, "%s %s", a.Verb, a.ID)
		if a.Request != "" {
			fmt.Fprintf(&b, " for %s", a.Request)
		}
		if !a.Until.IsZero() {
			fmt.Fprintf(&b, " until %s", a.Until.Sub(epoch))
		}
		if !a.Next.IsZero() {
			fmt.Fprintf(&b, " next %s", a.Next.Sub(epoch))
		}
		if a.Anew {
			b.WriteString(" anew")
		}
		if len(a.Keys) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(a.Keys, " "))
		}
		if a.Reason != "" {
			fmt.Fprintf(&b, ": %s", a.Reason)
		}
		if a.Sick {
			b.WriteString(" (sick)")
		}
		b.WriteString("\n")
	}
	if !next.IsZero() {
		fmt.Fprintf(&b, "next at %s\n", next.Sub(epoch))
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"by id":     {"c b a", "a b c"},
		"deps":      {"a:c c:b b", "b c a"},
		"ties":      {"d:b c:b b a", "a b c d"},
		"late":      {"a:z b z", "b z a"},
		"unknown":   {"b:x a:y", "a b"},
		"itself":    {"a:a b", "b a"},
		"circle":    {"a:b b:a c", "c a b"},
		"condition": {"a:core.bus core.bus", "core.bus a"},
	} {
		var in []controller.Input
		for _, word := range strings.Fields(c.in) {
			id, deps, _ := strings.Cut(word, ":")
			i := controller.Input{ID: id}
			if deps != "" {
				i.Dependencies = dependencies(strings.Split(deps, ",")...)
			}
			in = append(in, i)
		}
		var got []string
		for _, i := range controller.Order(in) {
			got = append(got, i.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// The decision about a thousand services, at rest and when all are to start.
func BenchmarkDecide1000(b *testing.B) {
	for _, st := range []state.ServiceState{state.ServiceRunning, state.ServiceIdle} {
		in := []controller.Input{{ID: "core.bus", Condition: true, Met: true}}
		for i := range 1000 {
			in = append(in, controller.Input{
				ID: "s" + strconv.Itoa(i), Dependencies: dependencies("core.bus"), Want: true, State: st,
				Health: state.HealthHealthy, Policy: process.DefaultPolicy(""),
			})
		}
		in = controller.Order(in)
		graph := controller.NewGraph(in)
		b.Run(string(st), func(b *testing.B) {
			for b.Loop() {
				graph.Decide(epoch, in)
			}
		})
	}
}
