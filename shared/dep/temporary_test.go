package dep

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
)

// What another attempt may cure says so; what has to be corrected does not.
func TestTemporary(t *testing.T) {
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(script("x")))
	}))
	defer web.Close()
	s := newStore(t)
	w := fromURL("tool", "1", web.URL+"/tool")
	mustLock(t, s, w)
	check := func(what string, s Store, w Want, want bool) {
		t.Helper()
		os.RemoveAll(s.in(partialDir))
		_, err := s.Ensure(t.Context(), []Want{w}, nil)
		var e *Error
		if !errors.As(err, &e) || e.Temporary() != want {
			t.Errorf("%s: temporary is not %v: %v", what, want, err)
		}
	}
	for code, want := range map[int]bool{503: true, 429: true, 404: false, 401: false} {
		status = code
		check(http.StatusText(code), s, w, want)
	}
	offline, mirrored := s, s
	offline.Offline = true
	check("offline", offline, w, false)
	check("not locked", s, fromURL("tool", "2", web.URL+"/tool"), false)
	// One of two mirrors may be back soon.
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	status = 503
	mirrored.Mirrors = []fetch.Mirror{{Prefix: web.URL, Replacement: gone.URL}, {Prefix: web.URL, Replacement: web.URL}}
	check("mirrors", mirrored, w, true)
	web.Close()
	check("nobody there", s, w, true)
}

// A module that was locked is somewhere; one that has changed stays refused.
func TestTemporaryModule(t *testing.T) {
	files := map[string]string{"go.mod": "module example.org/tools\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() {}\n"}
	proxy(t, "example.org/tools", "v1.2.3", files)
	s := newStore(t)
	w := Want{Dep: spec.Dep{Name: "tools", Version: "1.2.3", Source: spec.SourceGoInstall, Asset: "example.org/tools"}}
	mustLock(t, s, w)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, offline := range []bool{false, true} {
		t.Setenv("GOMODCACHE", t.TempDir())
		t.Setenv("GOPROXY", down.URL)
		s.Offline = offline
		_, err := s.Ensure(t.Context(), []Want{w}, nil)
		var e *Error
		if !errors.As(err, &e) || e.Temporary() == offline || !strings.Contains(err.Error(), "go mod download") {
			t.Errorf("offline %v: %v", offline, err)
		}
	}
}
