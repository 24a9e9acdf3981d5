package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var content = bytes.Repeat([]byte("0123456789abcdef"), 10_000)

func hashOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// server answers one request after the other by the steps of a script; the last
// step stays.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	steps []http.HandlerFunc
	asked []string // method, path and range of each request
}

func serve(t *testing.T, steps ...http.HandlerFunc) *server {
	s := &server{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")+" "+r.Header.Get("If-Range")))
		step := s.steps[0]
		if len(s.steps) > 1 {
			s.steps = s.steps[1:]
		}
		s.mu.Unlock()
		step(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// all serves the content, ranges too.
func all(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"one"`)
	http.ServeContent(w, r, "x", time.Time{}, bytes.NewReader(content))
}

// cut sends n bytes and breaks the connection.
func cut(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// client is one whose pauses are noted and take no time.
func client(t *testing.T, o Options) (*Client, *[]time.Duration) {
	var slept []time.Duration
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		slept = append(slept, d)
		return context.Cause(ctx)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c, &slept
}

func want(s *server) Download {
	return Download{URL: s.URL + "/x?secret=1", Size: int64(len(content)), SHA256: hashOf(content)}
}

func TestDownload(t *testing.T) {
	for what, tt := range map[string]struct {
		steps []http.HandlerFunc
		asked []string
		slept []time.Duration
	}{
		"at once":   {[]http.HandlerFunc{all}, []string{"/x"}, nil},
		"cut off":   {[]http.HandlerFunc{cut(1000), cut(0), all}, []string{"/x", `/x bytes=1000- "one"`, `/x`}, []time.Duration{500e6, 1e9}},
		"busy":      {[]http.HandlerFunc{status(503), status(500), status(429, "Retry-After", "7"), all}, []string{"/x", "/x", "/x", "/x"}, []time.Duration{500e6, 1e9, 7e9}},
		"no ranges": {[]http.HandlerFunc{cut(1000), func(w http.ResponseWriter, r *http.Request) { w.Write(content) }}, []string{"/x", `/x bytes=1000- "one"`}, []time.Duration{500e6}},
		"other range": {[]http.HandlerFunc{cut(1000), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(206)
			w.Write(content[5:])
		}, all}, []string{"/x", `/x bytes=1000- "one"`, "/x"}, []time.Duration{500e6, 1e9}},
	} {
		t.Run(what, func(t *testing.T) {
			s := serve(t, tt.steps...)
			c, slept := client(t, Options{})
			file := filepath.Join(t.TempDir(), "f")
			var last int64
			sum, err := c.Download(t.Context(), want(s), file, func(done, total int64) {
				if last = done; total != int64(len(content)) {
					t.Errorf("progress %d of %d", done, total)
				}
			})
			if err != nil || sum.SHA256 != hashOf(content) || sum.Size != int64(len(content)) || last != sum.Size {
				t.Errorf("%+v %v, progress %d", sum, err, last)
			}
			if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, content) {
				t.Errorf("the file is another: %d bytes %v", len(b), err)
			}
			if what == "cut off" { // what was begun anew has no range
				tt.asked[2] = s.asked[2]
			}
			if !slices.Equal(s.asked, tt.asked) || !slices.Equal(*slept, tt.slept) {
				t.Errorf("asked %q slept %v, want %q %v", s.asked, *slept, tt.asked, tt.slept)
			}
		})
	}
}

// What an earlier process left is gone on with, also where it is wrong.
func TestResume(t *testing.T) {
	for what, tt := range map[string]struct {
		before []byte
		asked  []string
	}{
		"a part":          {content[:5000], []string{"/x bytes=5000-"}},
		"all of it":       {content, nil},
		"too much":        {append(bytes.Clone(content), 'x'), []string{"/x"}},
		"a wrong part":    {bytes.Repeat([]byte{'?'}, 5000), []string{"/x bytes=5000-", "/x"}},
		"all of it wrong": {bytes.Repeat([]byte{'?'}, len(content)), []string{"/x"}},
	} {
		t.Run(what, func(t *testing.T) {
			s := serve(t, all)
			c, _ := client(t, Options{})
			file := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(file, tt.before, 0o600); err != nil {
				t.Fatal(err)
			}
			sum, err := c.Download(t.Context(), want(s), file, nil)
			if err != nil || sum.SHA256 != hashOf(content) || !slices.Equal(s.asked, tt.asked) {
				t.Errorf("%+v %v, asked %q, want %q", sum, err, s.asked, tt.asked)
			}
		})
	}
}

// A file of which nothing is known is gone on with only if the server says that
// it is the same one.
func TestUnknown(t *testing.T) {
	s := serve(t, cut(1000), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"two"`)
		http.ServeContent(w, r, "x", time.Time{}, strings.NewReader("another"))
	})
	c, _ := client(t, Options{})
	file := filepath.Join(t.TempDir(), "f")
	d := Download{URL: s.URL + "/x", Size: -1, Max: 1 << 20}
	sum, err := c.Download(t.Context(), d, file, nil)
	if err != nil || sum.SHA256 != hashOf([]byte("another")) {
		t.Errorf("%+v %v", sum, err)
	}
	d.Max = 100
	s.steps = []http.HandlerFunc{all}
	if _, err := c.Download(t.Context(), d, filepath.Join(t.TempDir(), "f"), nil); err == nil || !strings.Contains(err.Error(), "it has 160000 bytes: want at most 100") {
		t.Error(err)
	}
	s.steps = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:50])
		w.(http.Flusher).Flush()
		w.Write(content)
	}}
	if _, err := c.Download(t.Context(), d, filepath.Join(t.TempDir(), "f"), nil); err == nil || !strings.Contains(err.Error(), "it has more than 100 bytes") {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	for what, tt := range map[string]struct {
		step  http.HandlerFunc
		want  string
		asked int
	}{
		"missing":         {status(404), "/x: 404 Not Found", 1},
		"down":            {status(503), "/x: 503 Service Unavailable (6 attempts)", 6},
		"a long wait":     {status(429, "Retry-After", "3600"), "the server asks to wait 1h0m0s", 1},
		"another content": {func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte{'?'}, len(content))) }, "its sha256 is ", 1},
		"too short":       {func(w http.ResponseWriter, r *http.Request) { w.Write(content[:100]) }, "it has 100 bytes: want 160000", 1},
		"too long": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(append(bytes.Clone(content), 'x'))
		}, "too long: it has more than 160000 bytes", 1},
		"round and round": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "redirected more than 10 times", 11},
	} {
		t.Run(what, func(t *testing.T) {
			s := serve(t, tt.step)
			c, _ := client(t, Options{})
			file := filepath.Join(t.TempDir(), "f")
			_, err := c.Download(t.Context(), want(s), file, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || len(s.asked) != tt.asked {
				t.Errorf("%v after %d requests, want %s after %d", err, len(s.asked), tt.want, tt.asked)
			}
			if info, err := os.Stat(file); err != nil || info.Size() > int64(len(content)) {
				t.Errorf("the file has %v bytes, %v", info, err)
			}
		})
	}
}

// A server that goes silent is given up, and what it brought is kept.
func TestIdle(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:100])
		w.(http.Flusher).Flush()
		<-release
	}, all)
	defer close(release)
	c, slept := client(t, Options{Idle: 50 * time.Millisecond})
	sum, err := c.Download(t.Context(), want(s), filepath.Join(t.TempDir(), "f"), nil)
	if err != nil || sum.SHA256 != hashOf(content) || len(*slept) != 1 || s.asked[1] != "/x bytes=100-" {
		t.Errorf("%+v %v, asked %q, slept %v", sum, err, s.asked, *slept)
	}
}

func TestCancel(t *testing.T) {
	s := serve(t, cut(100))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := New(Options{Sleep: func(ctx context.Context, _ time.Duration) error {
		cancel(why)
		return context.Cause(ctx)
	}})
	defer c.Close()
	if _, err := c.Download(ctx, want(s), filepath.Join(t.TempDir(), "f"), nil); !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestMirrors(t *testing.T) {
	down, up := serve(t, status(404)), serve(t, all)
	c, _ := client(t, Options{Mirrors: []Mirror{
		{"https://example.invalid/a/", down.URL + "/first/"}, {"https://example.invalid/a/", up.URL + "/second/"}, {"https://example.invalid/", "http://127.0.0.1:1/"},
	}})
	d := Download{URL: "https://example.invalid/a/x", Size: int64(len(content)), SHA256: hashOf(content)}
	if _, err := c.Download(t.Context(), d, filepath.Join(t.TempDir(), "f"), nil); err != nil {
		t.Error(err)
	}
	if !slices.Equal(down.asked, []string{"/first/x"}) || !slices.Equal(up.asked, []string{"/second/x"}) {
		t.Errorf("asked %q and %q", down.asked, up.asked)
	}
	b, _, err := c.Bytes(t.Context(), Get{URL: d.URL})
	if err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes %v", len(b), err)
	}
}

func TestOffline(t *testing.T) {
	s := serve(t, all)
	c, slept := client(t, Options{Offline: true})
	if _, err := c.Download(t.Context(), want(s), filepath.Join(t.TempDir(), "f"), nil); !errors.Is(err, ErrOffline) {
		t.Error(err)
	}
	if _, _, err := c.Bytes(t.Context(), Get{URL: s.URL}); !errors.Is(err, ErrOffline) {
		t.Error(err)
	}
	if len(s.asked)+len(*slept) > 0 {
		t.Errorf("asked %q, slept %v", s.asked, *slept)
	}
}

// Credentials go to whom they are for, and a redirect elsewhere takes none along.
func TestAuthorize(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("the other server got %q", r.Header.Get("Authorization"))
		}
		all(w, r)
	})
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0k3n" {
			t.Errorf("the server got %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, elsewhere+"/y", http.StatusFound)
	})
	c, _ := client(t, Options{Authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer t0k3n") }})
	if _, err := c.Download(t.Context(), want(s), filepath.Join(t.TempDir(), "f"), nil); err != nil {
		t.Error(err)
	}
}

func TestDowngrade(t *testing.T) {
	plain := serve(t, all)
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer s.Close()
	c, slept := client(t, Options{Transport: s.Client().Transport})
	_, _, err := c.Bytes(t.Context(), Get{URL: s.URL})
	if err == nil || !strings.Contains(err.Error(), "redirected from https to http") || len(plain.asked)+len(*slept) > 0 {
		t.Error(err)
	}
	untrusted, slept := client(t, Options{})
	if _, _, err := untrusted.Bytes(t.Context(), Get{URL: s.URL}); err == nil || len(*slept) > 0 {
		t.Errorf("%v after %d pauses", err, len(*slept))
	}
}

func TestBytes(t *testing.T) {
	s := serve(t, status(502), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", r.Header.Get("Accept"))
		w.Write([]byte("hello"))
	})
	c, _ := client(t, Options{})
	b, header, err := c.Bytes(t.Context(), Get{URL: s.URL, Header: http.Header{"Accept": {"text/plain"}}})
	if err != nil || string(b) != "hello" || header.Get("X-Got") != "text/plain" {
		t.Errorf("%q %v %v", b, header, err)
	}
	if _, _, err := c.Bytes(t.Context(), Get{URL: s.URL, Max: 4}); err == nil || !strings.Contains(err.Error(), "it has more than 4 bytes") {
		t.Error(err)
	}
	if _, _, err := c.Bytes(t.Context(), Get{URL: "gopher://x"}); err == nil {
		t.Error("fetched from a gopher")
	}
}
