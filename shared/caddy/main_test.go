package caddy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// patience bounds every wait.
const patience = 20 * time.Second

// edge is the one server of all tests.
var edge *Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	storage := filepath.Join(dir, "caddy")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	edge = New(Options{Listen: "127.0.0.1:0", Node: "test", Storage: storage})
	ended := make(chan error, 1)
	go func() { ended <- edge.Run(ctx) }()
	select {
	case <-edge.Ready():
	case err := <-ended:
		return fail(err)
	}
	code := m.Run()
	cancel()
	if err := <-ended; err != nil {
		return fail(err)
	}
	if _, err := os.Stat(storage); err == nil {
		return fail(errors.New("plain HTTP wrote into Caddy's storage"))
	}
	return code
}

// apply serves sites.
func apply(t *testing.T, sites ...site.Site) map[events.Entity]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	refused, err := edge.Apply(ctx, sites)
	if err != nil {
		t.Fatal(err)
	}
	return refused
}

func opened(id string, upstreams ...string) site.Site {
	return site.Site{Service: events.Entity(id), Name: id, State: state.RouteOpen, Routes: []events.Route{{
		Hosts: []string{id + ".localhost"}, Upstreams: upstreams,
	}}}
}

func closed(id, reason string) site.Site {
	return site.Site{Service: events.Entity(id), Name: id, State: state.RouteClosed, Reason: reason, Routes: []events.Route{{
		Hosts: []string{id + ".localhost"},
	}}}
}

// upstream is a service behind the edge.
func upstream(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return strings.TrimPrefix(s.URL, "http://")
}

// free is an address on which nothing listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask sends one request on a connection of its own.
func ask(t *testing.T, host, path string, header ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+edge.Address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// dial opens a connection to the edge for what http.Client cannot say.
func dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", edge.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func TestPortHeldByAnother(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = open(l.Addr().String())
	var e *ListenError
	if !errors.As(err, &e) || e.Address != l.Addr().String() {
		t.Fatalf("%v, want a *ListenError about %s", err, l.Addr())
	}
	if !strings.Contains(err.Error(), "the edge cannot listen on "+e.Address+": ") || !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
	if _, err := open(edge.Address()); !errors.As(err, &e) {
		t.Errorf("another edge may listen on %s too: %v", edge.Address(), err)
	}
}

func TestOneEdgeInAProcess(t *testing.T) {
	s := New(Options{Listen: "127.0.0.1:0"})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another one runs") {
		t.Errorf("%v", err)
	}
	if _, err := s.Apply(t.Context(), nil); !errors.Is(err, errEnded) {
		t.Errorf("apply to an edge that has ended: %v", err)
	}
}
