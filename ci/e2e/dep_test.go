package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"core.internal/ci/harness"
	"core.internal/shared/boot"
	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// A service runs from what was installed for it; one whose binary is not locked
// fails alone, and says why. When it is locked it starts.
func TestDependencies(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	document := func(id string) string {
		return `{"id": "` + id + `", "profiles": ["default"], "process": {"command": "{shared.dep.bin}/` + id + `"},
			"dep": {"name": "` + id + `", "version": "1", "source": "file", "asset": "` + program + `"}}`
	}
	want := func(id string) dep.Want {
		return dep.Want{Dep: spec.Dep{Name: id, Version: "1", Source: spec.SourceFile, Asset: program}}
	}
	var store dep.Store
	t.Cleanup(func() { // nodes of tests share a directory for binaries
		for _, id := range []string{"dep-good", "dep-bad"} {
			os.Remove(filepath.Join(store.Bin, id))
		}
	})
	n := harness.Start(t, harness.Options{
		Profiles: []string{"default"},
		Specs:    map[string]string{"good.json": document("dep-good"), "bad.json": document("dep-bad"), "none.json": missing(false)},
		Config: func(c *config.Node) {
			store = dep.ForNode(*c, "", nil)
			if _, err := store.Lock(context.Background(), []dep.Want{want("dep-good")}, dep.Locking{}, nil); err != nil {
				t.Fatal(err)
			}
		},
	})
	n.Wait("good is healthy", healthy("dep-good"))
	n.Wait("alpha is healthy", healthy("alpha"))
	s := n.Wait("bad says why", func(s state.State) bool { return strings.Contains(s.Services["dep-bad"].Reason, "is not locked in") })
	if bad := s.Services["dep-bad"]; bad.PID != 0 {
		t.Errorf("bad runs: %+v", bad)
	}
	n.Wait("none says why", func(s state.State) bool {
		return s.Services["dep-none"].State == state.ServiceFailed && strings.Contains(s.Services["dep-none"].Reason, `"no-such-command" is not on PATH: install`)
	})
	var stated []string
	for _, e := range n.Facts() {
		if e.Type.Aggregate() == "dep" {
			stated = append(stated, string(e.Entity)+" "+string(e.Type))
		}
	}
	slices.Sort(stated)
	if stated = slices.Compact(stated); !slices.Equal(stated, []string{"dep-bad dep.failed", "dep-good dep.installed", "dep-good dep.installing", "dep-none dep.failed"}) {
		t.Errorf("stated %q", stated)
	}
	if _, err := store.Lock(t.Context(), []dep.Want{want("dep-bad")}, dep.Locking{}, nil); err != nil {
		t.Fatal(err)
	}
	if o := n.Command("dep-bad", events.StartService{}); o.State != state.OutcomeCompleted {
		t.Errorf("start bad: %+v", o)
	}
	n.Wait("bad is healthy", healthy("dep-bad"))
}

// missing is a service whose command the system does not have.
func missing(required bool) string {
	return fmt.Sprintf(`{"id": "dep-none", "profiles": ["default"], "required": %t, "process": {"command": "no-such-command"},
		"dep": {"name": "no-such-command", "source": "system"}}`, required)
}

// What a required service needs from the system is asked for before anything starts.
func TestRequiredDependency(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Profiles: []string{"default"}, Specs: map[string]string{"none.json": missing(true)}, Fails: true})
	var failure *boot.StageError
	if err := n.Err(); !errors.As(err, &failure) || failure.Stage != "config" || !strings.Contains(err.Error(), `"no-such-command" is not on PATH: install`) {
		t.Errorf("got %v", err)
	}
}
