package state_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// fact draws any fact that its source may state, and now and then one that it
// may not.
func fact(t *rapid.T, n int) events.Envelope {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	number := func(label string) int { return rapid.IntRange(0, 9).Draw(t, label) }
	instance := pick("instance", "i1", "i2", "i3")
	routes := []events.Route{{Hosts: []string{"h"}, Upstreams: []string{fmt.Sprint("127.0.0.1:", number("port"))}}}
	at := epoch.Add(time.Duration(n) * time.Second)

	var source, entity string
	var body events.Body
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case kind < 5:
		source, entity = pick("source", "procd", "procd", "launcher", "mallory"), pick("entity", "a", "b", "c")
		body = rapid.SampledFrom([]events.Body{
			events.ServiceRegistered{Name: instance, Digest: "d", Dependencies: []string{"a"}},
			events.ServiceUnregistered{},
			events.ServiceDesired{Enabled: number("e") > 4, Running: number("r") > 4, Restart: events.ID(instance)},
			events.ServiceWaiting{On: []string{"a"}, Reason: instance},
			events.ServiceStarting{Instance: instance, Restarts: number("n")},
			events.ServiceStarted{Instance: instance, PID: number("pid"), Restarts: number("n"), Routes: routes, Restart: events.ID(instance)},
			events.ServiceHealthy{Instance: instance},
			events.ServiceUnhealthy{Instance: instance, Reason: "no"},
			events.ServiceUnready{Instance: instance, Reason: "busy"},
			events.ServiceLinesDropped{Instance: instance, Lines: 7},
			events.ServiceStopping{Instance: instance, Reason: "asked"},
			events.ServiceExited{Instance: instance, Code: number("code"), LastLines: []string{"<bye>"}},
			events.ServiceBackedOff{Until: at.Add(time.Second), Restarts: number("n"), Reason: "again"},
			events.ServiceExhausted{Reason: "enough"},
			events.ServiceCompleted{Instance: instance},
			events.ServiceStopped{Reason: "asked"},
		}).Draw(t, "fact")
	case kind < 7:
		source = "launcher"
		index := rapid.IntRange(1, 3).Draw(t, "stage")
		entity = []string{"", "config", "bus", "edge"}[index]
		body = rapid.SampledFrom([]events.Body{
			events.StageStarting{Index: index}, events.StageReady{Index: index, TookMS: float64(number("took")) / 8},
			events.StageFailed{Index: index, Reason: "r", Fix: "f", LastLines: []string{"l"}},
			events.StageStopping{Index: index}, events.StageStopped{Index: index, TookMS: 1},
		}).Draw(t, "fact")
	case kind == 7:
		source, entity = "caddyd", pick("entity", "a", "b")
		body = rapid.SampledFrom([]events.Body{
			events.RouteOpened{Routes: routes}, events.RouteClosed{Routes: routes, Reason: "r"},
			events.RouteRemoved{}, events.RouteRefused{Reason: "r"},
		}).Draw(t, "fact")
	case kind == 8:
		source, entity = "pipelined", pick("entity", "r1", "r2")
		steps := []events.StepStatus{{Name: instance, State: events.StepRunning, Began: &at}}
		body = rapid.SampledFrom([]events.Body{
			events.RunStarted{Pipeline: "p", Params: map[string]string{"k": instance, "l": "m"}, Steps: steps},
			events.RunAdvanced{Pipeline: "p", Steps: steps},
			events.RunEnded{Pipeline: "p", State: events.StepFailed, Steps: steps},
		}).Draw(t, "fact")
	default:
		source = pick("source", "procd", "alpha")
		entity = source
		body = rapid.SampledFrom([]events.Body{
			events.CommandAccepted{Verb: "stop"}, events.CommandCompleted{Verb: "stop"}, events.CommandFailed{Verb: "stop", Reason: "r"},
			events.DaemonReady{PID: number("pid"), Addresses: map[string]string{"http": "x", "nats": "y"}}, events.DaemonStopped{Reason: "r"},
			events.DeadUnknown{Kept: events.Kept{Seq: uint64(number("seq"))}},
		}).Draw(t, "fact")
	}
	e, err := events.New(events.Header{
		ID: events.ID(fmt.Sprint("id", n)), Time: at, Node: "local",
		Source: events.Source(source), Entity: events.Entity(entity), Cause: events.ID(pick("cause", "c1", "c2", "c3")),
	}, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// recorded draws a log, some of whose records are no envelopes.
func recorded(t *rapid.T) (*events.MemLog, []events.Record) {
	var log events.MemLog
	n := rapid.IntRange(0, 60).Draw(t, "facts")
	for i := range n {
		if rapid.IntRange(0, 30).Draw(t, "careless") == 0 {
			log.Put("core.event.local.procd.a.healthy", []byte("nonsense"))
			continue
		}
		if _, err := log.Append(context.Background(), fact(t, i+1), events.AnySequence); err != nil {
			t.Fatal(err)
		}
	}
	var records []events.Record
	for r, err := range log.Read(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return &log, records
}

func encoded(t *rapid.T, s state.State) []byte {
	b, err := state.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A replay gives the bytes of the live fold: from the beginning, from any
// snapshot, and whichever way the facts are folded.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, records := recorded(t)
		cut := rapid.IntRange(0, len(records)).Draw(t, "snapshot after")

		live := state.New("local")
		var before []byte
		var snapshot []byte
		for i, r := range records {
			if i == cut {
				var err error
				if snapshot, err = state.EncodeSnapshot(live); err != nil {
					t.Fatal(err)
				}
				before = encoded(t, live)
				held := live
				defer func() {
					if !bytes.Equal(before, encoded(t, held)) {
						t.Error("a later fold changed an earlier state")
					}
				}()
			}
			live = state.Apply(live, r)
		}
		want := encoded(t, live)

		builder := state.NewBuilder(state.New("local"))
		for i, r := range records {
			builder.Apply(r)
			if i%7 == 0 {
				builder.State()
			}
		}
		if got := encoded(t, builder.State()); !bytes.Equal(got, want) {
			t.Fatalf("the builder differs:\n%s", cmp.Diff(string(want), string(got)))
		}

		if snapshot == nil {
			return
		}
		s, err := state.DecodeSnapshot(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records { // also those that the snapshot has
			s = state.Apply(s, r)
		}
		if got := encoded(t, s); !bytes.Equal(got, want) {
			t.Fatalf("from the snapshot at %d:\n%s", cut, cmp.Diff(string(want), string(got)))
		}
	})
}

// The latest fact of each type of each entity, in their original order, is
// enough for everything that a publisher repeats to a bus that lost its memory.
func TestLatestFactsAreEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, records := recorded(t)
		all := state.New("local")
		latest := map[events.Subject]uint64{}
		for _, r := range records {
			all = state.Apply(all, r)
			if _, err := events.DecodeRecord(r); err == nil {
				latest[r.Subject] = r.Seq
			}
		}
		few := state.New("local")
		for _, r := range records {
			if latest[r.Subject] == r.Seq {
				few = state.Apply(few, r)
			}
		}
		for _, part := range []struct {
			name      string
			want, got any
		}{
			{"stages", all.Stages, few.Stages}, {"daemons", all.Daemons, few.Daemons}, {"services", all.Services, few.Services},
			{"routes", all.Routes, few.Routes}, {"runs", all.Runs, few.Runs}, {"ready", all.Ready, few.Ready},
		} {
			want, _ := json.Marshal(part.want)
			got, _ := json.Marshal(part.got)
			if !bytes.Equal(want, got) {
				t.Fatalf("%s:\n%s", part.name, cmp.Diff(string(want), string(got)))
			}
		}
	})
}
