package spec_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	registry "core.internal/procd/spec"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
)

func enable(t *testing.T, r *registry.Registry, id events.Entity, enabled bool) {
	t.Helper()
	err := r.Decide([]events.Entity{id}, func(_ events.Entity, d *config.Decision) { d.Enabled = &enabled })
	if err != nil {
		t.Fatal(err)
	}
}

func mark(t *testing.T, r *registry.Registry, id events.Entity, running bool) {
	t.Helper()
	err := r.Decide([]events.Entity{id}, func(_ events.Entity, d *config.Decision) { d.Running = &running })
	if err != nil {
		t.Fatal(err)
	}
}

// says is a decision in a word or two, as "enabled", "disabled stopped" or "".
func says(d config.Decision) string {
	var words []string
	for _, one := range []struct {
		is      *bool
		yes, no string
	}{{d.Enabled, "enabled", "disabled"}, {d.Running, "started", "stopped"}} {
		switch {
		case one.is == nil:
		case *one.is:
			words = append(words, one.yes)
		default:
			words = append(words, one.no)
		}
	}
	return strings.Join(words, " ")
}

// expect reads what was decided with a registry that knows nothing yet.
func expect(t *testing.T, r *registry.Registry, want map[events.Entity]string) {
	t.Helper()
	if err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, w := range want {
		if got := says(r.Decision(id)); got != w {
			t.Errorf("%s is decided %q, want %q", id, got, w)
		}
	}
}

// What was decided holds though the bus and procd forget it, and the bus has it
// again; what holds until the node goes down ends with that, or with the machine.
func TestDecisionsLast(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := nodeDir(t)
	r := newRegistry(c, l)
	expect(t, r, map[events.Entity]string{"alpha": ""})
	if _, err := os.Stat(l.Decisions()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file before anything was decided: %v", err)
	}
	enable(t, r, "alpha", false)
	mark(t, r, "beta", false)
	enable(t, r, "gamma", true)
	mark(t, r, "gamma", false)

	b.Restart()
	all := map[events.Entity]string{"alpha": "disabled", "beta": "stopped", "gamma": "enabled stopped", "delta": ""}
	next := newRegistry(c, l)
	expect(t, next, all)
	run(t, next)
	desired := open(t, b.Connect(events.Operator), events.BucketDesired)
	until(t, desired, "local.alpha", `{"enabled":false,"serial":1}`)
	until(t, desired, "local.gamma", `{"enabled":true,"serial":2}`)

	// What changes nothing is not written.
	before := stat(t, l.Decisions())
	enable(t, next, "alpha", false)
	if !os.SameFile(before, stat(t, l.Decisions())) {
		t.Error("the file was written though nothing changed")
	}

	f, err := config.ReadDecisions(l)
	if err != nil {
		t.Fatal(err)
	}
	here := f.Boot
	f.Boot = "another"
	if err := config.WriteDecisions(l, f); err != nil {
		t.Fatal(err)
	}
	after := map[events.Entity]string{"alpha": "disabled", "beta": "", "gamma": "enabled"}
	expect(t, newRegistry(c, l), after)

	f.Boot = here
	if err := config.WriteDecisions(l, f); err != nil {
		t.Fatal(err)
	}
	last := newRegistry(c, l)
	expect(t, last, all)
	if err := last.EndBoot(); err != nil {
		t.Fatal(err)
	}
	expect(t, newRegistry(c, l), after)
}

func stat(t *testing.T, file string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// The later of the file and the bus is right.
func TestDecisionsOfTwoPlaces(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := nodeDir(t)
	desired := open(t, c, events.BucketDesired)
	tell := func(id events.Entity, value string) {
		t.Helper()
		if _, err := desired.Put(t.Context(), events.DesiredKey(testbus.Node, id), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	tell("alpha", `{"enabled":true}`)
	tell("beta", `{"enabled":false}`)
	tell("gamma", `yes`)
	expect(t, newRegistry(c, l), map[events.Entity]string{"alpha": "enabled", "beta": "disabled", "gamma": ""})

	enabled, disabled := true, false
	f := config.Decisions{Services: map[events.Entity]config.Decision{"alpha": {Enabled: &disabled}, "delta": {Enabled: &enabled}}}
	if err := config.WriteDecisions(l, f); err != nil {
		t.Fatal(err)
	}
	date := func(at time.Time) {
		t.Helper()
		if err := os.Chtimes(l.Decisions(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	date(time.Now().Add(time.Hour)) // somebody took beta out
	r := newRegistry(c, l)
	expect(t, r, map[events.Entity]string{"alpha": "disabled", "beta": "", "delta": "enabled"})
	stop := run(t, r)
	until(t, desired, "local.alpha", `{"enabled":false}`)
	until(t, desired, "local.delta", `{"enabled":true}`)
	until(t, desired, "local.beta", "")
	stop()

	date(time.Now().Add(-time.Hour)) // it was put back from an earlier day
	tell("alpha", `{"enabled":true}`)
	expect(t, newRegistry(c, l), map[events.Entity]string{"alpha": "enabled", "beta": "", "delta": "enabled"})
}

// Of two decisions the later counts whatever clocks say: procd was killed before the
// bus had it, and the file has a time no later than the bus's copy of the one before.
func TestDecisionsAtOneTime(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := nodeDir(t)
	desired := open(t, c, events.BucketDesired)
	first := newRegistry(c, l)
	expect(t, first, nil)
	stop := run(t, first)
	enable(t, first, "alpha", false)
	enable(t, first, "beta", false)
	until(t, desired, "local.beta", `{"enabled":false,"serial":2}`)
	until(t, desired, "local.alpha", `{"enabled":false,"serial":1}`)
	stop()
	earlier, err := os.ReadFile(l.Decisions())
	if err != nil {
		t.Fatal(err)
	}
	enable(t, first, "alpha", true)
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(l.Decisions(), past, past); err != nil {
		t.Fatal(err)
	}
	next := newRegistry(c, l)
	expect(t, next, map[events.Entity]string{"alpha": "enabled", "beta": "disabled"})
	stop = run(t, next)
	until(t, desired, "local.alpha", `{"enabled":true,"serial":3}`)
	stop()

	// What the file had earlier is not later for being put back now.
	if err := os.WriteFile(l.Decisions(), earlier, 0o600); err != nil {
		t.Fatal(err)
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(l.Decisions(), future, future); err != nil {
		t.Fatal(err)
	}
	last := newRegistry(c, l)
	expect(t, last, map[events.Entity]string{"alpha": "enabled", "beta": "disabled"})
	stop = run(t, last)
	enable(t, last, "gamma", true)
	until(t, desired, "local.gamma", `{"enabled":true,"serial":4}`)
	stop()

	// What somebody takes out of the file is not decided.
	f, err := config.ReadDecisions(l)
	if err != nil {
		t.Fatal(err)
	}
	delete(f.Services, "beta")
	if err := config.WriteDecisions(l, f); err != nil {
		t.Fatal(err)
	}
	expect(t, newRegistry(c, l), map[events.Entity]string{"alpha": "enabled", "beta": "", "gamma": "enabled"})
}

// With a file that is no good what the bus has counts, and nothing can be decided
// before it is put right.
func TestDecisionsDamaged(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := nodeDir(t)
	first := newRegistry(c, l)
	expect(t, first, nil)
	stop := run(t, first)
	enable(t, first, "alpha", false)
	until(t, open(t, c, events.BucketDesired), "local.alpha", `{"enabled":false,"serial":1}`)
	stop()
	if err := os.WriteFile(l.Decisions(), []byte(`{"version":1,"services":{"alpha":{"enabeld":false}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	r := registry.NewRegistry(c, testbus.Node, l, slog.New(slog.NewTextHandler(&log, nil)))
	expect(t, r, map[events.Entity]string{"alpha": "disabled"})
	want := "what operators decided: " + l.Decisions() + ` is not understood: json: unknown field "enabeld": correct it, or remove it: then what the bus has kept of them counts, else the profiles`
	if err := r.Damaged(); err == nil || err.Error() != want || !strings.Contains(log.String(), l.Decisions()) {
		t.Errorf("got %v, log %s", err, &log)
	}
	decide := func() error {
		return r.Decide([]events.Entity{"beta"}, func(_ events.Entity, d *config.Decision) { d.Running = new(bool) })
	}
	if err := decide(); err == nil || err.Error() != want || says(r.Decision("beta")) != "" {
		t.Errorf("got %v, and beta is %q", err, says(r.Decision("beta")))
	}
	if err := os.WriteFile(l.Decisions(), []byte(`{"version":1,"services":{"delta":{"enabled":false}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := decide(); err != nil || r.Damaged() != nil {
		t.Error(err, r.Damaged())
	}
	expect(t, newRegistry(c, l), map[events.Entity]string{"alpha": "disabled", "beta": "stopped", "delta": "disabled"})
}

// Where there is no room nothing is decided, and the file stays as it was.
func TestDecisionsFullDisk(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	l := nodeDir(t)
	if err := syscall.Mount("tmpfs", l.Dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(l.Dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := newRegistry(b.Connect(events.Procd), l)
	expect(t, r, nil)
	enable(t, r, "alpha", false)
	if err := os.WriteFile(l.Dir+"/big", make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	off := false
	err := r.Decide([]events.Entity{"beta"}, func(_ events.Entity, d *config.Decision) { d.Enabled = &off })
	if err == nil || err.Error() != "write "+l.Decisions()+": no space left on device: see who may write there, and what space is left" {
		t.Error(err)
	}
	if left, _ := os.ReadDir(l.Dir); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	if err := syscall.Mount("", l.Dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := r.EndBoot(); err != nil {
		t.Errorf("nothing is to be forgotten: %v", err)
	}
	err = r.Decide([]events.Entity{"beta"}, func(_ events.Entity, d *config.Decision) { d.Enabled = &off })
	if !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	expect(t, r, map[events.Entity]string{"alpha": "disabled", "beta": ""})
}
