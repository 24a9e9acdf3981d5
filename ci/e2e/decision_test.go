package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"core.internal/shared/events"
)

// wants is what is wanted of each of the services, and whether it runs, as
// "enabled running".
func (b *binaries) wants(ids ...string) map[string]string {
	b.t.Helper()
	all := map[string]string{}
	for _, s := range b.status().Services {
		for _, id := range ids {
			if string(s.ID) == id {
				all[id] = s.Desired + " " + string(s.State)
			}
		}
	}
	return all
}

func (b *binaries) must(args ...string) string {
	b.t.Helper()
	out, errs, code := b.run(args...)
	if code != 0 {
		b.t.Fatalf("%v: exit %d\n%s", args, code, errs)
	}
	return out
}

// takeDown is `launcher down`, and waits for the launcher to end.
func (b *binaries) takeDown() {
	b.t.Helper()
	b.must("down")
	if err := <-b.done; err != nil {
		b.t.Errorf("up ended with %v\n%s", err, &b.stderr)
	}
	b.ended = true
}

// What operators decided holds when busd and procd are killed together, and what
// they enabled or disabled at the next boot too, with either store.
func TestDecisionsHold(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			b := up(t, "--bus.store", store)
			b.must("disable", "beta")
			b.must("stop", "console")
			before := b.wants("alpha", "beta", "console")
			want := map[string]string{"alpha": "enabled running", "beta": "disabled stopped", "console": "stopped stopped"}
			if !maps.Equal(before, want) {
				t.Fatalf("%v, want %v", before, want)
			}
			alpha := b.pid("alpha")
			procd := pidOf(t, b.root, events.Procd)
			for _, pid := range []int{pidOf(t, b.root, events.Busd), procd} {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "procd is back, and the services as they were", func() bool {
				out, _, code := b.run("status", "--output", "json")
				return code == 0 && pidOf(t, b.root, events.Procd) != procd && strings.Contains(out, `"healthy"`)
			})
			for id, state := range b.wants("alpha", "beta", "console") {
				now, _, _ := strings.Cut(state, " ")
				if was, _, _ := strings.Cut(want[id], " "); now != was || strings.HasSuffix(state, " running") != (id == "alpha") {
					t.Errorf("%s is %s, was %s", id, state, want[id])
				}
			}
			if now := b.pid("alpha"); now != alpha {
				t.Errorf("alpha has pid %d, had %d", now, alpha)
			}
			b.takeDown()

			b.ended = false
			b.start("--bus.store", store)
			want = map[string]string{"alpha": "enabled running", "beta": "disabled", "console": "enabled running"}
			got := b.wants("alpha", "beta", "console")
			got["beta"], _, _ = strings.Cut(got["beta"], " ")
			if !maps.Equal(got, want) {
				t.Errorf("at the next boot %v, want %v", got, want)
			}
			if out := b.must("why", "beta"); !strings.Contains(out, "disable was asked for by operator") {
				t.Errorf("why says\n%s", out)
			}
			b.must("enable", "beta")
			b.takeDown()

			file := filepath.Join(b.root, "local", "decisions.json")
			if err := os.WriteFile(file, []byte("beta: off\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, errs, code := b.run("up", "--bus.listen", "127.0.0.1:0", "--edge.listen", "127.0.0.1:0")
			if code != 1 || !strings.Contains(errs, "what operators decided: "+file+" is not understood: ") || !strings.Contains(errs, "correct it, or remove it") {
				t.Errorf("with damaged decisions: exit %d\n%s", code, errs)
			}
		})
	}
}

func (b *binaries) pid(id string) int {
	b.t.Helper()
	for _, s := range b.status().Services {
		if string(s.ID) == id {
			return s.PID
		}
	}
	return 0
}
