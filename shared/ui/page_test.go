package ui

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/state"
)

var update = flag.Bool("update", false, "rewrite testdata/page.json")

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// teller folds facts, each one second after the one before.
type teller struct {
	t   *testing.T
	s   state.State
	seq uint64
}

func (l *teller) tell(source events.Source, entity events.Entity, bodies ...events.Body) {
	l.t.Helper()
	for _, b := range bodies {
		l.seq++
		e, err := events.New(events.Header{
			ID: events.ID("id-" + strconv.FormatUint(l.seq, 10)), Time: began.Add(time.Duration(l.seq) * time.Second),
			Node: "local", Source: source, Entity: entity, Cause: "boot",
		}, b)
		if err != nil {
			l.t.Fatal(err)
		}
		e.Seq = l.seq
		l.s = state.Fold(l.s, e)
	}
}

// everything is a state that has one of everything a page shows.
func everything(t *testing.T) state.State {
	l := &teller{t: t, s: state.New("local")}
	for i, name := range []events.Entity{"config", "bus", "edge"} {
		l.tell(events.Launcher, name, events.StageStarting{Index: i + 1}, events.StageReady{Index: i + 1, TookMS: 12.5})
	}
	l.tell(events.Launcher, "procd", events.ServiceRegistered{Name: "procd", Digest: "d"}, events.ServiceDesired{Enabled: true, Running: true})
	l.tell(events.Launcher, "busd", events.ServiceRegistered{Name: "busd", Digest: "d"}, events.ServiceDesired{Enabled: true, Running: true},
		events.ServiceStarting{Instance: "b1"}, events.ServiceStarted{Instance: "b1", PID: 100}, events.ServiceHealthy{Instance: "b1"})
	l.tell(events.Caddyd, "caddyd", events.DaemonReady{PID: 101, Version: "v1", Addresses: map[string]string{"http": "127.0.0.1:8080", "metrics": "127.0.0.1:3001"}})
	l.tell(events.Pipelined, "pipelined", events.DaemonReady{PID: 102, Version: "v1"})
	wanted := events.ServiceDesired{Enabled: true, Running: true}
	routes := []events.Route{{Hosts: []string{"alpha.localhost"}}, {Paths: []string{"/a/*"}}}
	l.tell(events.Procd, "alpha", events.ServiceRegistered{Name: "Alpha", Description: "greets", Icon: "👋", Digest: "d", Routes: routes, Dependencies: []string{"core.bus"}},
		wanted, events.ServiceStarting{Instance: "i1"},
		events.ServiceStarted{Instance: "i1", PID: 4711, Ports: []events.Port{{Name: "primary", Port: 8081, Protocol: "http"}, {Name: "metrics", Port: 9121, Protocol: "http"}},
			Routes: []events.Route{{Hosts: []string{"alpha.localhost"}, Upstreams: []string{"127.0.0.1:8081"}}}},
		events.ServiceHealthy{Instance: "i1"})
	l.tell(events.Caddyd, "alpha", events.RouteOpened{Routes: routes})
	l.tell(events.Procd, "beta", events.ServiceRegistered{Name: "Beta", Digest: "d"}, wanted, events.ServiceStarting{Instance: "i2"},
		events.ServiceStarted{Instance: "i2", PID: 4712}, events.ServiceExited{Instance: "i2", PID: 4712, Code: 3, LastLines: []string{"panic: no greeting"}},
		events.ServiceExhausted{Reason: "5 exits within 1m"})
	l.tell(events.Procd, "gamma", events.ServiceRegistered{Name: "Gamma", Digest: "d"}, wanted, events.ServiceStarting{Instance: "i3"},
		events.ServiceStarted{Instance: "i3", PID: 4713}, events.ServiceExited{Instance: "i3", PID: 4713, Code: -1, Signal: "SIGKILL"},
		events.ServiceBackedOff{Until: began.Add(5 * time.Minute), Restarts: 2, Reason: "killed by SIGKILL"})
	l.tell(events.Procd, "omega", events.ServiceRegistered{Name: "Omega", Digest: "d"})
	l.tell(events.Caddyd, "gamma", events.RouteClosed{Routes: []events.Route{{Hosts: []string{"gamma.localhost"}}}, Reason: "gamma is down"})
	l.tell(events.Caddyd, "omega", events.RouteRefused{Reason: "two services on one host"})
	at := began.Add(30 * time.Second)
	l.tell(events.Pipelined, "build-1", events.RunStarted{Pipeline: "build", Params: map[string]string{"targets": "busd"}, Steps: []events.StepStatus{{Name: "toolchain", State: events.StepPending}}},
		events.RunAdvanced{Pipeline: "build", Steps: []events.StepStatus{
			{Name: "toolchain", State: events.StepCompleted, Began: &began, Ended: &at},
			{Name: "compile-busd", After: []string{"toolchain"}, State: events.StepRunning, Began: &at}}})
	l.tell(events.Pipelined, "build-2", events.RunStarted{Pipeline: "build"}, events.RunEnded{Pipeline: "build", State: events.StepFailed, Reason: "no Go"})
	l.tell(events.Procd, events.SpecsEntity, events.SpecsRefused{Reason: "alpha.json:1:2: id: missing\nbeta.json:3:4: dep: unknown"})
	l.tell(events.Procd, events.DecisionsEntity, events.DecisionsDamaged{Reason: "decisions.json is not understood: correct it", Known: []string{"alpha"}})
	l.tell(events.Busd, events.ClientsEntity, events.ClientRefused{User: "mallory", Address: "127.0.0.1:5", Reason: "unknown key", Count: 2})
	l.s.Dead = state.Dead{Count: 1, Seq: 9, Reason: "not JSON", Kept: 9}
	return l.s
}

func TestPage(t *testing.T) {
	options := Options{Now: began.Add(2 * time.Minute), Pipelines: []pipeline.Description{{Name: "build", About: "build core binaries", Steps: pipeline.Graph{{Name: "a"}}}}}
	s := everything(t)
	got, err := json.MarshalIndent(Build(s, options), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "page.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("page (-want +got); -update rewrites it:\n%s", d)
	}
	for range 20 {
		again, _ := json.MarshalIndent(Build(s, options), "", "  ")
		if !bytes.Equal(append(again, '\n'), got) {
			t.Fatal("the same state gave another page")
		}
	}
	if bytes.Contains(got, []byte(": null")) {
		t.Error("a list of the page is null: renderers range over lists")
	}
}

func TestNodeState(t *testing.T) {
	stages := func(states ...state.StageState) state.State {
		s := state.New("local")
		for i, g := range states {
			name := events.Entity("s" + strconv.Itoa(i))
			s.Stages[name] = state.Stage{Name: name, Index: i + 1, State: g}
		}
		return s
	}
	degraded := stages(state.StageReady)
	degraded.Services["a"] = state.Service{ID: "a", Desired: events.ServiceDesired{Running: true}, State: state.ServiceWaiting}
	completed := stages(state.StageReady)
	completed.Services["a"] = state.Service{ID: "a", Desired: events.ServiceDesired{Running: true}, State: state.ServiceCompleted}
	for _, c := range []struct {
		s    state.State
		want Badge
	}{
		{stages(), Badge{"unknown", Idle}},
		{stages(state.StageReady, state.StageReady), Badge{"up", OK}},
		{stages(state.StageReady, state.StageStarting), Badge{"starting", Warn}},
		{stages(state.StageReady, state.StagePending), Badge{"starting", Warn}},
		{stages(state.StageReady, state.StageFailed), Badge{"failed", Bad}},
		{stages(state.StageReady, state.StageStopping), Badge{"stopping", Warn}},
		{stages(state.StageReady, state.StageStopped), Badge{"stopping", Warn}},
		{stages(state.StageStopped, state.StageStopped), Badge{"down", Idle}},
		{degraded, Badge{"degraded", Warn}},
		{completed, Badge{"up", OK}},
	} {
		if got := Build(c.s, Options{}).Node.State; got != c.want {
			t.Errorf("stages %v: %v, want %v", c.s.SortedStages(), got, c.want)
		}
	}
}

// A page is for renderers in templates too: every state has a tone.
func TestTonesAreClosed(t *testing.T) {
	known := []Tone{Idle, OK, Warn, Bad}
	page := Build(everything(t), Options{})
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			if b, ok := v.Interface().(Badge); ok && !slices.Contains(known, b.Tone) {
				t.Errorf("badge %q has tone %q", b.Text, b.Tone)
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() && v.Type().Field(i).Type != reflect.TypeFor[time.Time]() {
					walk(v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(page))
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 1500 * time.Millisecond: "1s", 61 * time.Second: "1m 1s",
		2*time.Hour + 10*time.Minute: "2h 10m", 97 * time.Hour: "4d 1h",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0.0ms", 800 * time.Microsecond: "0.8ms", 456 * time.Millisecond: "456ms", 1230 * time.Millisecond: "1.23s",
		12_300 * time.Millisecond: "12.3s", 90 * time.Second: "1m 30s",
	} {
		if got := Took(d); got != want {
			t.Errorf("Took(%v) = %q, want %q", d, got, want)
		}
	}
}
