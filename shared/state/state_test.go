package state_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestDocument(t *testing.T) {
	s := state.New("local")
	for i, line := range []string{
		`launcher edge stage.starting {"index":3}`,
		`launcher edge stage.failed {"index":3,"reason":"port 8080 is held","fix":"stop it"}`,
		`launcher bus stage.ready {"index":2,"took_ms":12.25}`,
		`procd zeta service.registered {"name":"Z","digest":"d"}`,
		`procd alpha service.desired {"enabled":true,"running":true}`,
		`procd alpha service.starting {"instance":"i","restarts":2}`,
		`procd alpha service.started {"instance":"i","pid":7,"restarts":2,"ports":[{"name":"primary","port":9,"protocol":"tcp"}]}`,
		`procd alpha service.healthy {"instance":"i"}`,
		`launcher busd service.registered {"name":"busd","digest":"d"}`,
		`caddyd alpha route.closed {"routes":[],"reason":"starting"}`,
		`pipelined r1 run.started {"pipeline":"build","steps":[]}`,
	} {
		s = state.Apply(s, record(t, uint64(i)+1, line))
	}
	got, err := json.MarshalIndent(state.Document(s), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var short bytes.Buffer
	if err := json.Compact(&short, got); err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"node":"local","seq":11,` +
		`"stages":[{"name":"bus","state":"ready","since":"2026-01-01T00:00:03Z","took":12.25},` +
		`{"name":"edge","state":"failed","since":"2026-01-01T00:00:02Z","took":0,"reason":"port 8080 is held","fix":"stop it"}],` +
		`"services":[{"id":"alpha","node":"local","desired":"enabled","state":"running","health":"healthy","pid":7,"restarts":2,` +
		`"since":"2026-01-01T00:00:07Z","ports":[{"name":"primary","port":9,"protocol":"tcp"}],"reason":""},` +
		`{"id":"zeta","node":"local","desired":"disabled","state":"idle","health":"unknown","pid":0,"restarts":0,"since":"2026-01-01T00:00:04Z","ports":[],"reason":""}],` +
		`"runs":[{"id":"r1","pipeline":"build","state":"running","began":"2026-01-01T00:00:11Z","since":"2026-01-01T00:00:11Z","steps":[],"reason":""}],` +
		`"routes":[{"service":"alpha","state":"closed","since":"2026-01-01T00:00:10Z","routes":[],"reason":"starting"}]}`
	if short.String() != want {
		t.Errorf("got  %s\nwant %s", short.String(), want)
	}
	empty, _ := json.Marshal(state.Document(state.New("n")))
	if want := `{"version":1,"node":"n","seq":0,"stages":[],"services":[],"runs":[],"routes":[]}`; string(empty) != want {
		t.Errorf("empty: %s", empty)
	}
}

func TestWant(t *testing.T) {
	for _, c := range []struct {
		enabled, running bool
		want             string
	}{{true, true, "enabled"}, {false, true, "started"}, {true, false, "stopped"}, {false, false, "disabled"}} {
		s := state.Service{Desired: events.ServiceDesired{Enabled: c.enabled, Running: c.running}}
		if got := s.Want(); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
}

func TestDecodeSnapshotRefuses(t *testing.T) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(text))
		w.Close()
		return b.Bytes()
	}
	good, err := state.Encode(state.New("local"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":   {nil, "EOF"},
		"no gzip":   {[]byte("{}"), "fold the log"},
		"cut off":   {pack(string(good))[:20], "EOF"},
		"no JSON":   {pack("nonsense"), "invalid character"},
		"version":   {pack(`{"version":99,"future":true}`), "version 99: this build reads version 1"},
		"field":     {pack(strings.Replace(string(good), `"seq"`, `"sequel"`, 1)), `unknown field "sequel"`},
		"part":      {pack(`{"version":1}`), "a part of the state is missing"},
		"two":       {pack(string(good) + "{}"), "after top-level value"},
		"expansion": {pack(strings.Repeat(" ", 65<<20)), "unpacks to more than"},
	} {
		if _, err := state.DecodeSnapshot(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	b, err := state.EncodeSnapshot(state.New("local"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := state.DecodeSnapshot(b)
		if err != nil {
			return
		}
		// What it accepts can be folded into and written again.
		s = state.Apply(s, record(t, s.Seq+1, `procd alpha service.stopped {}`))
		if _, err := state.EncodeSnapshot(s); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOutcomesAreBounded(t *testing.T) {
	s := state.New("local")
	n := state.MaxOutcomes + 10
	for i := range n {
		s = state.Apply(s, record(t, uint64(i)+1, fmt.Sprintf(`procd a command.accepted c%d {"verb":"stop"}`, i)))
	}
	if len(s.Outcomes) != state.MaxOutcomes {
		t.Errorf("%d outcomes", len(s.Outcomes))
	}
	if _, ok := s.Outcome("c9"); ok {
		t.Error("the tenth outcome is still there")
	}
	if o, ok := s.Outcome("c10"); !ok || o.State != state.OutcomeAccepted || o.State.Final() {
		t.Errorf("c10: %+v %v", o, ok)
	}
}

func TestEndedRunsAreForgotten(t *testing.T) {
	s := state.New("local")
	var seq uint64
	add := func(line string) { seq++; s = state.Apply(s, record(t, seq, line)) }
	add(`pipelined going run.started {"pipeline":"p","steps":[]}`)
	for i := range state.MaxRuns + 5 {
		add(fmt.Sprintf(`pipelined r%03d run.ended {"pipeline":"p","state":"completed","steps":[]}`, i))
	}
	if _, ok := s.Runs["r004"]; ok || len(s.Runs) != state.MaxRuns+1 {
		t.Errorf("%d runs, r004 there: %v", len(s.Runs), ok)
	}
	if _, ok := s.Runs["going"]; !ok {
		t.Error("a run that goes on was forgotten")
	}
}

// thousand is the facts of the boot of n services.
func thousand(b *testing.B, n int) []events.Envelope {
	var out []events.Envelope
	add := func(id string, body events.Body) {
		e, err := events.New(events.Header{ID: events.ID(fmt.Sprint("i", len(out))), Time: epoch.Add(time.Duration(len(out))), Node: "local", Source: events.Procd, Entity: events.Entity(id)}, body)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, e)
	}
	for i := range n {
		add(fmt.Sprint("s", i), events.ServiceRegistered{Name: "S", Digest: "d", Dependencies: []string{"core.bus"}, Profiles: []string{"default"}})
	}
	for i := range n {
		id := fmt.Sprint("s", i)
		add(id, events.ServiceStarting{Instance: "i"})
		add(id, events.ServiceStarted{Instance: "i", PID: i, Ports: []events.Port{{Name: "primary", Port: i, Protocol: "tcp"}}})
		add(id, events.ServiceHealthy{Instance: "i"})
	}
	return out
}

// One fact of a thousand services, with a state taken after each (Fold) and
// without (Builder).
func BenchmarkFold1000(b *testing.B) {
	facts := thousand(b, 1000)
	b.Run("Fold", func(b *testing.B) {
		s := state.New("local")
		for _, e := range facts {
			s = state.Fold(s, e)
		}
		i := 0
		for b.Loop() {
			s = state.Fold(s, facts[i%len(facts)])
			i++
		}
	})
	b.Run("Builder", func(b *testing.B) {
		builder := state.NewBuilder(state.New("local"))
		i := 0
		for b.Loop() {
			builder.Fold(facts[i%len(facts)])
			i++
		}
	})
	b.Run("Snapshot", func(b *testing.B) {
		builder := state.NewBuilder(state.New("local"))
		for _, e := range facts {
			builder.Fold(e)
		}
		s := builder.State()
		var size int
		for b.Loop() {
			data, err := state.EncodeSnapshot(s)
			if err != nil {
				b.Fatal(err)
			}
			size = len(data)
		}
		b.ReportMetric(float64(size), "bytes")
	})
}
