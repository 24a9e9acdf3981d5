package boot

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// The boot downloads for required services and what they depend on; what others
// want is left to procd. It fails only for a required service's own binary.
func TestBinaries(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	down := false
	reset := func(isDown bool) (before []string) {
		mu.Lock()
		defer mu.Unlock()
		before, asked, down = asked, nil, isDown
		return before
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked = append(asked, r.URL.Path); down {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "#!/bin/sh\necho %s\n", r.URL.Path)
	}))
	defer web.Close()
	c := config.Default()
	c.Name, c.Profiles = "test", config.Strings{"default"}
	begin := func(members string) *Node {
		t.Helper()
		c.Root = t.TempDir()
		reset(false)
		n := New(Options{Config: c, InProcess: events.Daemons()})
		for id, more := range map[string]string{"alpha": members, "beta": "", "gamma": ""} {
			text := fmt.Sprintf(`{"id":%q,"profiles":["default"],"process":{"command":"x"},"dep":{"name":"%s","version":"1","source":"http","url":"%s/%s"}%s}`, id, id, web.URL, id, more)
			s, err := spec.ParseLocated(filepath.Join(c.Root, id+".json"), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			n.specs = append(n.specs, s)
		}
		store := dep.ForNode(c, "", nil)
		var wants []dep.Want
		for _, s := range n.specs {
			w, _ := dep.WantOf(s)
			wants = append(wants, w)
		}
		if _, err := store.Lock(t.Context(), wants, dep.Locking{}, nil); err != nil {
			t.Fatal(err)
		}
		// What locking has downloaded would not be asked for again.
		if err := os.RemoveAll(filepath.Join(c.Root, "store")); err != nil {
			t.Fatal(err)
		}
		reset(false)
		return n
	}
	for members, want := range map[string][]string{
		"":                         nil,
		`,"dependencies":["beta"]`: nil,
		`,"required":true`:         {"/alpha"},
		`,"required":true,"dependencies":["beta"]`: {"/alpha", "/beta"},
	} {
		n := begin(members)
		if err := n.ensureBinaries(t.Context()); err != nil {
			t.Errorf("%s: %v", members, err)
		}
		if got := reset(false); !slices.Equal(got, want) {
			t.Errorf("%s: asked for %v, want %v", members, got, want)
		}
		n = begin(members)
		reset(true)
		err := n.ensureBinaries(t.Context())
		var failure *StageError
		if required := strings.Contains(members, "required"); errors.As(err, &failure) != required {
			t.Errorf("%s: where nothing can be downloaded: %v", members, err)
		}
	}
	// What an operator disabled is not needed.
	n := begin(`,"required":true,"dependencies":["beta"]`)
	reset(true)
	n.decided.Services = map[events.Entity]config.Decision{"alpha": {Enabled: new(bool)}}
	if err := n.ensureBinaries(t.Context()); err != nil {
		t.Error(err)
	}
	if got := reset(false); len(got) > 0 {
		t.Errorf("asked for %v though alpha is disabled", got)
	}
}
