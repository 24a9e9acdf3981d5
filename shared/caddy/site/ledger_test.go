package site

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func said(changes []Change) []string {
	var list []string
	for _, c := range changes {
		line := fmt.Sprintf("%s %s", c.Service, c.Body.EventType().Fact())
		switch b := c.Body.(type) {
		case events.RouteOpened:
			line += " " + strings.Join(b.Routes[0].Upstreams, ",")
		case events.RouteClosed:
			line += ": " + b.Reason
		case events.RouteRefused:
			line += ": " + b.Reason
		}
		list = append(list, line)
	}
	return list
}

func expect(t *testing.T, got []Change, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, said(got)); diff != "" {
		t.Errorf("stated (-want +got):\n%s", diff)
	}
}

func TestLedger(t *testing.T) {
	host := events.Route{Hosts: []string{"a.test"}}
	var l Ledger
	l.Note(nil)
	expect(t, l.Take(nil))

	l.Note([]Site{shut("a", "not started", host)})
	expect(t, l.Take(nil), "a closed: new to the edge")

	l.Note([]Site{shut("a", "starting", host)})
	expect(t, l.Take(nil)) // still closed

	l.Note([]Site{open("a", on("127.0.0.1:1", "a.test"))})
	l.Note([]Site{shut("a", "stopping", host)})
	l.Note([]Site{shut("a", "stopped", host)})
	l.Note([]Site{open("a", on("127.0.0.1:2", "a.test"))})
	expect(t, l.Take(nil), "a opened 127.0.0.1:1", "a closed: stopping", "a opened 127.0.0.1:2")

	l.Note([]Site{open("a", on("127.0.0.1:3", "a.test")), open("b", on("127.0.0.1:4", "b.test"))})
	expect(t, l.Take(nil), "a opened 127.0.0.1:3", "b closed: new to the edge", "b opened 127.0.0.1:4")

	l.Note([]Site{Site{Service: "a"}.Refuse("no host"), open("b", on("127.0.0.1:4", "b.test"))})
	expect(t, l.Take(nil), "a refused: no host")

	l.Note([]Site{open("a", on("127.0.0.1:3", "a.test"))})
	expect(t, l.Take(nil), "a closed: new to the edge", "a opened 127.0.0.1:3", "b removed")
}

func TestLedgerOfALaterEdge(t *testing.T) {
	var l Ledger
	l.Note([]Site{open("a", on("127.0.0.1:1", "a.test"))})
	l.Forget(map[events.Entity]state.Route{"a": {}, "gone": {}})
	expect(t, l.Take(nil), "a closed: new to the edge", "a opened 127.0.0.1:1", "gone removed")
}

func TestLedgerOfWhatCaddyRefuses(t *testing.T) {
	var l Ledger
	a, b := open("a", on("127.0.0.1:1", "a.test")), open("b", on("127.0.0.1:2", "b.test"))
	l.Note([]Site{a, b})
	bad := map[events.Entity]string{"b": "loading"}
	expect(t, l.Take(bad), "a closed: new to the edge", "a opened 127.0.0.1:1", "b refused: loading")
	expect(t, l.Take(bad)) // said once
	l.Note([]Site{b})
	expect(t, l.Take(nil), "a removed", "b opened 127.0.0.1:2")
	l.Note([]Site{shut("b", "stopped", on("", "b.test"))})
	expect(t, l.Take(map[events.Entity]string{"b": "again"}), "b refused: again")
	l.Note(nil)
	expect(t, l.Take(nil), "b removed")
}

// Whatever happens, and however often the queue is emptied: the facts stated of
// each service are the same, and folded they say what the sites say.
func TestLedgerStatesTheSameWheneverItIsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var often, seldom Ledger
		var a, b []Change
		var last []Site
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			last = nil
			for _, id := range []string{"a", "b"} {
				switch rapid.SampledFrom([]string{"open", "moved", "closed", "refused", "gone"}).Draw(t, id) {
				case "open":
					last = append(last, open(id, on("127.0.0.1:1", id+".test")))
				case "moved":
					last = append(last, open(id, on("127.0.0.1:2", id+".test")))
				case "closed":
					last = append(last, shut(id, "stopped", events.Route{Hosts: []string{id + ".test"}}))
				case "refused":
					last = append(last, Site{Service: events.Entity(id)}.Refuse("bad"))
				}
			}
			often.Note(last)
			a = append(a, often.Take(nil)...)
			seldom.Note(last)
		}
		b = seldom.Take(nil)
		folded := fold(t, a)
		for _, id := range []events.Entity{"a", "b"} {
			if diff := cmp.Diff(said(about(a, id)), said(about(b, id))); diff != "" {
				t.Fatalf("%s: %s", id, diff)
			}
		}
		if len(folded) != len(last) {
			t.Fatalf("%d routes folded, %d sites", len(folded), len(last))
		}
		for _, s := range last {
			got := folded[s.Service]
			if got.State != s.State || !cmp.Equal(got.Routes, s.Routes) {
				t.Fatalf("folded %+v, the site is %+v", got, s)
			}
		}
	})
}

func about(changes []Change, id events.Entity) []Change {
	var list []Change
	for _, c := range changes {
		if c.Service == id {
			list = append(list, c)
		}
	}
	return list
}

func fold(t *rapid.T, changes []Change) map[events.Entity]state.Route {
	s := state.New("n")
	for i, c := range changes {
		data, err := json.Marshal(c.Body)
		if err != nil {
			t.Fatal(err)
		}
		s = state.Fold(s, events.Envelope{
			ID: "x", Type: c.Body.EventType(), Version: 1, Node: "n", Source: events.Caddyd, Entity: c.Service, Data: data, Seq: uint64(i + 1),
		})
	}
	return s.Routes
}
