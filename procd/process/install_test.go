package process

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// What is installed is stated once, what is there already is not, and a failure
// says why.
func TestInstallStates(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spec.ParseLocated(filepath.Join(dir, "a.json"), []byte(`{"id":"a","process":{"command":"x"},"dep":{"name":"tool","version":"1","source":"file","asset":"program"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	i := installer{
		store: dep.Store{Root: dir, Bin: filepath.Join(dir, "bin")}, log: slog.New(slog.DiscardHandler),
		state: func(e events.Entity, b events.Body, _ events.ID) events.Envelope {
			text := string(e) + " " + string(b.EventType())
			switch b := b.(type) {
			case events.DepInstalling:
				text += " " + b.Name + " " + b.Version + " " + b.Source
			case events.DepFailed:
				text += " " + b.Reason
			}
			told = append(told, text)
			return events.Envelope{}
		},
	}
	if _, err := i.install(t.Context(), s); err == nil {
		t.Error("what is not locked was installed")
	}
	w, _ := dep.WantOf(s)
	if _, err := i.store.Lock(t.Context(), []dep.Want{w}, dep.Locking{}, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if path, err := i.install(t.Context(), s); err != nil || path != filepath.Join(dir, "bin", "tool") {
			t.Errorf("%s %v", path, err)
		}
	}
	if len(told) != 3 || !strings.HasPrefix(told[0], "a dep.failed dependency tool (file): tool@1 from file is not locked in ") ||
		told[1] != "a dep.installing tool 1 file" || told[2] != "a dep.installed" {
		t.Errorf("stated %q", told)
	}
}
