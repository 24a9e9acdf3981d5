package process

import (
	"testing"
	"time"

	"core.internal/shared/events"
)

func TestJoin(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	a := Counts{early, map[string]int{"Ada": 2, "Bob": 1}}
	tests := []struct {
		name  string
		other Counts
		news  bool
		ada   int
		total int
	}{
		{"nothing", Counts{}, false, 2, 3},
		{"the same", a, false, 2, 3},
		{"less", Counts{early, map[string]int{"Ada": 1}}, false, 2, 3},
		{"more", Counts{early, map[string]int{"Ada": 3}}, true, 3, 4},
		{"a new name", Counts{early, map[string]int{"Eve": 1}}, true, 2, 4},
		{"an earlier series", Counts{time.Unix(0, 0), map[string]int{"Ada": 9}}, false, 2, 3},
		{"a later series", Counts{late, map[string]int{"Ada": 1}}, true, 1, 1},
	}
	for _, tt := range tests {
		got, news := a.join(tt.other)
		if news != tt.news || got.Names["Ada"] != tt.ada || got.Total() != tt.total {
			t.Errorf("%s: %+v, news %v", tt.name, got, news)
		}
	}
	if a.Total() != 3 {
		t.Error("joining changed what was joined")
	}
}

func FuzzDecode(f *testing.F) {
	e, err := events.New(events.Header{ID: "id", Time: time.Unix(1, 0), Node: "local", Source: Alpha, Entity: "greetings"},
		events.Domain{Type: FactGreeted, Version: 1, Data: []byte(`{"series":"2026-01-02T03:04:05Z","name":"Ada","count":1,"total":1}`)})
	if err != nil {
		f.Fatal(err)
	}
	good, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	if g, err := decode(events.Record{Seq: 1, Subject: e.Subject(), Data: good}); err != nil || g.Name != "Ada" {
		f.Fatalf("%+v, %v", g, err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := decode(events.Record{Seq: 1, Subject: e.Subject(), Data: data})
		if err == nil && (g.Name == "" || g.Count < 1 || g.Series.IsZero()) {
			t.Errorf("accepted %+v", g)
		}
	})
}
