package supervisor_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"core.internal/shared/supervisor"
)

// What a supervisor that was killed left half is removed; nothing else is, whatever it is
// called.
func TestEnsureSweeps(t *testing.T) {
	b := builder(t)
	data := b.Layout.Data("alpha")
	const id = "aYcIZ5HwMZKjAZyvh2Zq0k"
	old := time.Now().Add(-time.Hour)
	put := func(name string, dir bool, at time.Time) {
		t.Helper()
		path := data + "/" + name
		var err error
		if dir {
			err = os.MkdirAll(path+"/full", 0o700)
		} else {
			err = os.WriteFile(path, []byte("half"), 0o600)
		}
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	put(".x.core-"+id, false, old)
	put(".tree.core-"+id, true, old)
	if err := os.Symlink("/etc", data+"/.link.core-"+id); err != nil {
		t.Fatal(err)
	}
	put(".x.core-"+id[1:]+"1", false, time.Now().Add(time.Hour)) // somebody else's, or the clock was set back
	put(".x.core-short", false, old)
	put(".other.core-"+id, false, old)
	put("x.core-"+id, false, old)
	s := ensuring(t, nil, `{"type":"file","target":"{shared.config.dataDir}/x"}`, `{"type":"file","target":"{shared.config.dataDir}/tree"}`,
		`{"type":"symlink","source":"/etc","target":"{shared.config.dataDir}/away/link"}`)
	built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"removed what was left of data/alpha/.x.core-" + id, "wrote data/alpha/x", "removed what was left of data/alpha/.tree.core-" + id,
		"wrote data/alpha/tree", "linked data/alpha/away/link"}
	if !slices.Equal(built.Prepared, want) {
		t.Errorf("changed\n%s\nwant\n%s", strings.Join(built.Prepared, "\n"), strings.Join(want, "\n"))
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".link.core-" + id, ".other.core-" + id, ".x.core-" + id[1:] + "1", ".x.core-short", "away", "tree", "x", "x.core-" + id}; !slices.Equal(left, want) {
		t.Errorf("there is %q, want %q", left, want)
	}
	put(".x.core-"+id, false, old)
	if built, err = b.Build(t.Context(), s, supervisor.Instance{Name: "i"}); err != nil || len(built.Prepared) > 0 {
		t.Errorf("again: %q, %v", built.Prepared, err)
	}
}
