//go:build linux

package runner

import (
	"os"
	"strings"
	"testing"
)

// A record that begins over another one is whole at any moment, and what a reaper adds
// meanwhile is not written over.
func TestRecordOverAnother(t *testing.T) {
	dir := t.TempDir()
	begin := func(instance, note string) *os.File {
		r := record{Version: recordVersion, ID: "one", Instance: instance, Note: note}
		f, err := r.begin(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	before := begin("first", strings.Repeat("long", 100))
	if err := put(before, entry{Started: &identity{PID: 7, Start: 70}}); err != nil {
		t.Fatal(err)
	}
	f := begin("second", "")
	if err := note(dir, "one", entry{Exit: &exitRecord{PID: 8, Start: 80, Code: 3}}); err != nil {
		t.Fatal(err)
	}
	if err := put(f, entry{Started: &identity{PID: 8, Start: 80}}); err != nil {
		t.Fatal(err)
	}
	if err := note(dir, "one", entry{Exit: &exitRecord{PID: 8, Start: 80, Code: 4}}); err != nil {
		t.Fatal(err)
	}
	j, err := load(dir, "one")
	if err != nil || j.Instance != "second" || j.started.PID != 8 || j.exit == nil || j.exit.Code != 4 {
		t.Errorf("%+v (%v)", j, err)
	}
	text, err := os.ReadFile(recordPath(dir, "one"))
	if lines := strings.Count(string(text), "\n"); err != nil || lines != 4 || strings.Contains(string(text), "long") {
		t.Errorf("%d lines (%v):\n%s", lines, err, text)
	}
	// Where it ends before the file is as long as its line.
	first, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(recordPath(dir, "one"), []byte(first+strings.Repeat("\n", len(rest))), 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err := load(dir, "one"); err != nil || j.Instance != "second" || j.started.PID != 0 || j.exit != nil {
		t.Errorf("cut short: %+v (%v)", j, err)
	}
}
