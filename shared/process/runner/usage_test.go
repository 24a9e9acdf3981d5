//go:build linux

package runner

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A meter counts the whole tree of an instance, in its session and out of it, and
// nobody else's.
func TestMeter(t *testing.T) {
	b := start(t, nil)
	m := b.Meter()
	if u := m.Read(); len(u) != 0 {
		t.Errorf("nothing runs: %+v", u)
	}
	b.run("alone", "wait")
	p := b.run("family", "family")
	f := b.run("fugitive", "fugitive")
	b.line("alone", Stdout, "waiting")
	b.line("family", Stdout, "waiting")
	b.line("fugitive", Stdout, "waiting")
	got := m.Read()
	if len(got) != 3 {
		t.Fatalf("usage of %d, want 3: %+v", len(got), got)
	}
	for i, want := range []struct {
		id        string
		processes int
	}{{"alone", 1}, {"family", 2}, {"fugitive", 2}} {
		u := got[i]
		if u.ID != want.id || u.Processes != want.processes {
			t.Errorf("%+v, want %d processes of %s", u, want.processes, want.id)
		}
		if u.Resident < int64(want.processes)<<20 || u.OpenFDs < 3*want.processes || u.CPU < 0 {
			t.Errorf("implausible: %+v", u)
		}
	}
	if again := m.Read(); len(again) != 3 || again[2].Processes != 2 || again[2].CPU < got[2].CPU {
		t.Errorf("read again: %+v, before %+v", again, got)
	}
	if err := p.Stop(hasty(t)); err != nil {
		t.Fatal(err)
	}
	if err := f.Stop(hasty(t)); err != nil {
		t.Fatal(err)
	}
	if u := m.Read(); len(u) != 1 || u[0].ID != "alone" {
		t.Errorf("after the stop: %+v", u)
	}
}

// hasty is a context that has ended: what is stopped with it is killed at once.
func hasty(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestParseUsage(t *testing.T) {
	fields := make([]string, 50)
	for i := range fields {
		fields[i] = "0"
	}
	fields[0] = "S"
	fields[11], fields[12], fields[13], fields[14], fields[21] = "100", "20", "3", "4", "5"
	cpu, resident, err := parseUsage([]byte("7 (a) b) " + strings.Join(fields, " ") + "\n"))
	if err != nil || cpu != 1270*time.Millisecond || resident != int64(5*os.Getpagesize()) {
		t.Errorf("%v %d %v", cpu, resident, err)
	}
	for _, bad := range []string{"", "7 (a) S 1", "7 (a) " + strings.Replace(strings.Join(fields, " "), "100", "x", 1)} {
		if _, _, err := parseUsage([]byte(bad)); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

// BenchmarkMeter is one reading of 200 services: what a node does every few
// seconds.
func BenchmarkMeter(b *testing.B) {
	r := start(b, nil)
	for i := range 200 {
		r.run("s"+strconv.Itoa(i), "wait")
	}
	m := r.Meter()
	for b.Loop() {
		if n := len(m.Read()); n != 200 {
			b.Fatalf("usage of %d", n)
		}
	}
}
