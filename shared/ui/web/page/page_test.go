package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFiles(t *testing.T) {
	f, err := NewFiles("/assets/", Assets(), fstest.MapFS{"own.js": {Data: []byte("x")}, "dir/inner.js": {Data: []byte("y")}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path, kind string
		status           int
	}{
		{"style", f.URL("core.css"), "text/css; charset=utf-8", 200},
		{"icon", f.URL("icon.svg"), "image/svg+xml", 200},
		{"script", f.URL("own.js"), "text/javascript; charset=utf-8", 200},
		{"another hash", "/assets/0000000000000000/core.css", "text/plain; charset=utf-8", 404},
		{"directory", "/assets/", "text/plain; charset=utf-8", 404},
		{"outside", "/assets/../page.go", "text/plain; charset=utf-8", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			r.URL.Path = tt.path
			f.ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.kind {
				t.Errorf("GET %s: %d %s, want %d %s", tt.path, w.Code, w.Header().Get("Content-Type"), tt.status, tt.kind)
			}
			if c := w.Header().Get("Cache-Control"); tt.status == 200 && !strings.Contains(c, "immutable") {
				t.Errorf("Cache-Control %q: want immutable", c)
			}
		})
	}
	if url := f.URL("inner.js"); url != "" {
		t.Errorf("a file of a directory is served at %s", url)
	}
}

func TestWrite(t *testing.T) {
	files, err := NewFiles("/assets/", Assets())
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := Parse(files, nil, `{{define "body"}}<h1>{{.Data}}</h1>{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := Write(w, tmpl, http.StatusTeapot, View{Title: "</title><b>", Data: "<script>alert(1)</script>"}); err != nil {
		t.Fatal(err)
	}
	got := w.Body.String()
	for _, want := range []string{
		"<title>&lt;/title&gt;&lt;b&gt;</title>", "<h1>&lt;script&gt;alert(1)&lt;/script&gt;</h1>",
		`<link rel="stylesheet" href="/assets/`, `<html lang="en">`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s:\n%s", want, got)
		}
	}
	if w.Code != http.StatusTeapot || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
	}
	if strings.Contains(got, "<script") {
		t.Error("a page without scripts has one")
	}

	broken, err := Parse(files, nil, `{{define "body"}}{{.Data.Missing}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	if err := Write(w, broken, http.StatusOK, View{Data: 1}); err == nil || w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "<html") {
		t.Errorf("half a page: error %v, status %d, %s", err, w.Code, w.Body)
	}
}

func TestSecure(t *testing.T) {
	for policy, want := range map[Policy]string{
		{}:                                 "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		{Scripts: true, Expressions: true}: "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'",
	} {
		w := httptest.NewRecorder()
		Secure(policy, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%+v: policy\n%s\nwant\n%s", policy, got, want)
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
