package caddy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
)

// Caddy is one per process, so the tests of this package share one server.
func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	s := New(Options{Site: site.Options{Listen: address}})
	if err := s.Start(t.Context()); !errors.As(err, new(*ListenError)) {
		t.Fatalf("start on a held port: %v, want a *ListenError", err)
	}
	l.Close()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			io.WriteString(w, "data: one\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		fmt.Fprintf(w, "upstream saw %s", r.Host)
	}))
	t.Cleanup(upstream.Close)
	open := site.Site{Service: "alpha", Name: "Alpha", Open: true, Routes: []events.Route{{
		Hosts: []string{"alpha.localhost"}, Upstreams: []string{strings.TrimPrefix(upstream.URL, "http://")},
	}}}
	closed := site.Site{Service: "beta", Name: "<b>{env.HOME}", Reason: "it is stopped", Routes: []events.Route{{Hosts: []string{"beta.localhost"}}}}
	dead := site.Site{Service: "dead", Name: "Dead", Open: true, Routes: []events.Route{{Hosts: []string{"dead.localhost"}, Upstreams: []string{"127.0.0.1:1"}}}}
	bad := site.Site{Service: "evil", Routes: []events.Route{{Hosts: []string{"evil{env.HOME}"}}}}
	thief := site.Site{Service: "thief", Routes: []events.Route{{Hosts: []string{"ALPHA.localhost"}}}}
	refused, err := s.Apply([]site.Site{open, closed, dead, bad, thief})
	if err != nil {
		t.Fatal(err)
	}
	if len(refused) != 2 || !strings.Contains(refused["evil"], "host") || !strings.Contains(refused["thief"], "alpha") {
		t.Errorf("refused: %v", refused)
	}

	for _, c := range []struct {
		name, host, path, accept string
		status                   int
		want, not                string
	}{
		{"open", "alpha.localhost", "/", "", 200, "upstream saw alpha.localhost", ""},
		{"health on any host", "anything", site.HealthPath, "", 200, `"ok"`, ""},
		{"closed, text", "beta.localhost", "/", "", 503, "it is stopped", "<p>"},
		{"closed, page", "beta.localhost", "/", "text/html,*/*", 503, "&lt;b&gt;&#123;env.HOME&#125;", "{env"},
		{"upstream gone", "dead.localhost", "/", "text/html", 503, "Dead is not available", ""},
		{"unknown host", "nobody.localhost", "/", "", 404, "No service", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := get(t, address, c.host, c.path, c.accept)
			if status != c.status || !strings.Contains(body, c.want) || c.not != "" && strings.Contains(body, c.not) {
				t.Errorf("status %d, want %d with %q and without %q:\n%s", status, c.status, c.want, c.not, body)
			}
		})
	}
	t.Run("a stream passes as it comes", func(t *testing.T) { stream(t, address) })
	t.Run("reloads drop nothing", func(t *testing.T) { hammer(t, s, address, open, closed) })
}

func request(ctx context.Context, t *testing.T, address, host, path, accept string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return r
}

func get(t *testing.T, address, host, path, accept string) (int, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(request(t.Context(), t, address, host, path, accept))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// stream reads the first event of a stream that does not end.
func stream(t *testing.T, address string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := http.DefaultClient.Do(request(ctx, t, address, "alpha.localhost", "/stream", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	first := make([]byte, len("data: one\n\n"))
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "data: one\n\n" {
		t.Errorf("first event %q, %v", first, err)
	}
}

// hammer reloads under load.
func hammer(t *testing.T, s *Server, address string, open, other site.Site) {
	var failures, requests atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				requests.Add(1)
				answer, err := client.Do(request(context.Background(), t, address, "alpha.localhost", "/", ""))
				if err != nil {
					t.Log(err)
					failures.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Log(answer.Status)
					failures.Add(1)
				}
			}
		})
	}
	for i := range 20 {
		other.Name = fmt.Sprintf("reload %d", i)
		before := requests.Load()
		if _, err := s.Apply([]site.Site{open, other}); err != nil {
			t.Error(err)
		}
		for requests.Load() < before+100 { // each configuration serves for a while
			select {
			case <-t.Context().Done():
				return
			default:
			}
		}
	}
	close(stop)
	clients.Wait()
	if n := failures.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, requests.Load())
	}
}
