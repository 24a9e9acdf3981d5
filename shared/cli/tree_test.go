package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/ui"
)

// Each action has its verb in the tree, with the registry's words.
func TestEveryActionHasACommand(t *testing.T) {
	root := tree()
	for _, a := range ui.Actions() {
		m := root
		for _, word := range strings.Fields(a.Verb) {
			if m = m.sub(word); m == nil {
				t.Fatalf("action %s: there is no command %q", a.ID, a.Verb)
			}
		}
		if m.about != a.About || m.args != a.Args || m.exec == nil || !m.node {
			t.Errorf("command %q says %q and takes %q; its action says %q and takes %q", a.Verb, m.about, m.args, a.About, a.Args)
		}
	}
}

func TestTreeIsWellFormed(t *testing.T) {
	c := &call{app: App{Name: "launcher"}}
	global := map[string]bool{}
	for _, name := range globalSettings() {
		global[name] = true
	}
	var walk func(m *command)
	walk = func(m *command) {
		if (m.exec == nil) == (len(m.subs) == 0) {
			t.Errorf("%v has to have either subcommands or something to do", m.path)
		}
		if m.about == "" || strings.HasSuffix(m.about, ".") {
			t.Errorf("%v: %q is no sentence without a full stop", m.path, m.about)
		}
		seen := map[string]bool{}
		for _, s := range m.subs {
			if seen[s.name] {
				t.Errorf("%v has two commands %q", m.path, s.name)
			}
			seen[s.name] = true
			walk(s)
		}
		// Every setting of a node is a flag of every command; a flag of its own
		// under the same name would have panicked.
		flags := 0
		m.newSet(&call{}).VisitAll(func(f *flag.Flag) {
			if global[f.Name] {
				flags++
			}
		})
		if flags != len(global) {
			t.Errorf("%v takes %d of %d settings", m.path, flags, len(global))
		}
		for _, e := range m.examples {
			if !strings.HasPrefix(e, strings.Join(m.path, " ")) {
				t.Errorf("%v has the example %q of another command", m.path, e)
			}
		}
	}
	c.root = tree()
	walk(c.root)
}

func TestReference(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("docs/ is there in the whole source tree only")
	}
	file := filepath.Join(root, "docs", "cli.md")
	got := Reference("launcher")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("docs/cli.md (-want +got); `go test ./shared/cli -run TestReference -update` rewrites it:\n%s", d)
	}
}
