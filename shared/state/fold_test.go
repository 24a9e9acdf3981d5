package state_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/golden"
)

var update = flag.Bool("update", false, "rewrite the expectations under testdata")

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestFold runs the scripts of testdata: each "facts" section adds facts, a
// second apart, and the "state" section after it is what they lead to.
func TestFold(t *testing.T) {
	golden.Scripts(t, *update, "facts", func() golden.Script {
		s := state.New("local")
		var seq uint64
		return golden.Script{
			In: func(t *testing.T, text string) {
				for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
					seq++
					s = state.Apply(s, record(t, seq, line))
				}
			},
			Out: func(t *testing.T) string { return render(t, s) },
		}
	})
}

// record makes a record of a line "[node/]source entity type [cause] data", or
// of "raw subject bytes".
func record(t *testing.T, seq uint64, line string) events.Record {
	t.Helper()
	at := epoch.Add(time.Duration(seq) * time.Second)
	f := strings.SplitN(line, " ", 3)
	if f[0] == "raw" {
		return events.Record{Seq: seq, Subject: events.Subject(f[1]), Time: at, Data: []byte(f[2])}
	}
	f = strings.SplitN(line, " ", 4)
	cause := ""
	if !strings.HasPrefix(f[3], "{") {
		cause, f[3], _ = strings.Cut(f[3], " ")
	}
	e := events.Envelope{
		ID: events.ID(fmt.Sprintf("id%d", seq)), Type: events.Type(f[2]), Version: 1, Time: at,
		Node: "local", Source: events.Source(f[0]), Entity: events.Entity(f[1]), Cause: events.ID(cause), Data: json.RawMessage(f[3]),
	}
	if node, source, ok := strings.Cut(f[0], "/"); ok {
		e.Node, e.Source = events.Node(node), events.Source(source)
	}
	data, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return events.Record{Seq: seq, Subject: e.Subject(), Time: at, Data: data}
}

// render shows a state one entity a line; what is empty is left out.
func render(t *testing.T, s state.State) string {
	t.Helper()
	var b strings.Builder
	line := func(what string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", what, data)
	}
	fmt.Fprintf(&b, "seq %d\n", s.Seq)
	for _, v := range s.SortedStages() {
		line("stage", v)
	}
	for _, v := range state.Sorted(s.Daemons) {
		line("daemon", v)
	}
	for _, v := range state.Sorted(s.Services) {
		line("service", v)
	}
	for _, v := range state.Sorted(s.Routes) {
		line("route", v)
	}
	for _, v := range s.SortedRuns() {
		line("run", v)
	}
	for _, source := range []events.Source{events.Busd, events.Caddyd, events.Procd, "alpha"} {
		if r, ok := s.Ready[source]; ok {
			line("ready "+string(source), r)
		}
	}
	for _, v := range s.Outcomes {
		line("outcome", v)
	}
	if s.Refused.Count > 0 {
		line("refused", s.Refused)
	}
	if s.Specs != (state.Specs{}) {
		line("specs", s.Specs)
	}
	if s.Decisions.Reason != "" {
		line("decisions", s.Decisions)
	}
	if s.Dead != (state.Dead{}) {
		line("dead", s.Dead)
	}
	return b.String()
}
