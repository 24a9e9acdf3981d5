package caddy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"core.internal/caddyd/caddy"
	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// patience bounds every wait.
const patience = 20 * time.Second

// node is a bus with a procd that says what the test wants.
type node struct {
	t     *testing.T
	bus   *testbus.Bus
	conn  *bus.Conn // the operator's
	procd *bus.Publisher
	// stopProcd ends what runs for procd.
	stopProcd func()
	edge      string // where caddyd answers, once ready
	root      string
	seen      map[string]uint64 // the last record that until found, by entity
	fails     bool              // caddyd is expected to fail
}

func newNode(t *testing.T) *node {
	t.Helper()
	b := testbus.Start(t, events.Procd, events.Caddyd)
	n := &node{t: t, bus: b, conn: b.Connect(events.Operator), root: t.TempDir(), seen: map[string]uint64{}}
	n.restartProcd()
	return n
}

// restartProcd begins with a procd that has said nothing yet but that it is there.
func (n *node) restartProcd() {
	n.t.Helper()
	n.silentProcd()
	n.say("procd", events.DaemonReady{PID: 1, Version: "test"})
}

// silentProcd begins with a procd that has said nothing yet.
func (n *node) silentProcd() {
	n.t.Helper()
	if n.stopProcd != nil {
		n.stopProcd()
	}
	n.procd = bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Procd})
	p, c := n.procd, n.bus.Connect(events.Procd)
	n.stopProcd = testproc.Background(n.t, func(ctx context.Context) error { return p.Run(ctx, c) })
}

// say states a fact as procd.
func (n *node) say(id string, body events.Body) {
	n.t.Helper()
	n.procd.State(events.Entity(id), body, "")
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	if err := n.procd.Flush(ctx); err != nil {
		n.t.Fatal(err)
	}
}

// caddyd runs the daemon until stop or the end of the test, and waits until it
// is ready.
func (n *node) caddyd() (stop func() error, log *testproc.Buffer) {
	n.t.Helper()
	stop, _, log = n.exec("--edge.listen", "127.0.0.1:0")
	n.edge = strings.TrimPrefix(n.ready().Addresses["http"], "http://")
	return stop, log
}

// exec runs the daemon until stop, its own end, or the end of the test.
func (n *node) exec(args ...string) (stop, wait func() error, log *testproc.Buffer) {
	n.t.Helper()
	log = &testproc.Buffer{}
	args = append([]string{
		"--root", n.root, "--bus.url", n.bus.URL(), "--bus.seed-file", n.bus.Seed(events.Caddyd), "--log.format", "text",
	}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = daemon.Exec(ctx, caddy.Definition(), args, nil, strings.NewReader(""), io.Discard, log)
	}()
	wait = func() error {
		<-ended
		return err
	}
	stop = func() error {
		cancel()
		return wait()
	}
	n.t.Cleanup(func() {
		if err := stop(); err != nil && !n.fails {
			n.t.Errorf("caddyd: %v", err)
		}
		if n.t.Failed() {
			n.t.Log(log)
		}
	})
	return stop, wait, log
}

// said returns the route facts of a service that stand on the bus now.
func (n *node) said(id string) []string {
	n.t.Helper()
	var list []string
	for r, err := range n.conn.Events().Read(n.t.Context(), 0) {
		if err != nil {
			n.t.Fatal(err)
		}
		if e, err := events.DecodeRecord(r); err == nil && string(e.Entity) == id && e.Source == events.Caddyd {
			list = append(list, describe(n.t, e))
		}
	}
	return list
}

// until waits until the last of a service's route facts is as given.
func (n *node) until(id, want string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	last, found := "", errors.New("found")
	follow := bus.Follow{Stream: events.StreamEvents, Filter: events.EntityFacts(testbus.Node, events.Caddyd, events.Entity(id)), After: n.seen[id]}
	err := n.conn.Follow(ctx, follow, func(r events.Record) error {
		e, err := events.DecodeRecord(r)
		if err != nil {
			return err
		}
		if last = describe(n.t, e); last == want {
			n.seen[id] = r.Seq
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		n.t.Fatalf("%s was not stated about %s; last: %s (%v)", want, id, last, err)
	}
}

func describe(t *testing.T, e events.Envelope) string {
	t.Helper()
	b, err := events.Payload(e)
	if err != nil {
		t.Fatal(err)
	}
	switch b := b.(type) {
	case events.RouteOpened:
		return fmt.Sprintf("opened %v", b.Routes[0].Hosts)
	case events.RouteClosed:
		return "closed: " + b.Reason
	case events.RouteRefused:
		return "refused: " + b.Reason
	}
	return string(e.Type.Fact())
}

// get asks the edge for a service and returns the status and body.
func (n *node) get(id string) (int, string) {
	n.t.Helper()
	status, body, err := n.try(id)
	if err != nil {
		n.t.Fatal(err)
	}
	return status, body
}

func (n *node) try(id string) (int, string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.edge+"/", nil)
	if err != nil {
		return 0, "", err
	}
	r.Host = id + ".localhost"
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// service is something that listens, and what procd says of it.
type service struct {
	n        *node
	id, host string
	address  string
}

func (n *node) service(id string) *service {
	n.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "this is "+id) }))
	n.t.Cleanup(s.Close)
	return &service{n, id, id + ".localhost", strings.TrimPrefix(s.URL, "http://")}
}

func (s *service) register() {
	s.n.say(s.id, events.ServiceRegistered{Name: s.id, Digest: "x", Routes: []events.Route{{Hosts: []string{s.host}}}})
}

func (s *service) start(instance string) {
	s.n.say(s.id, events.ServiceStarting{Instance: instance})
	s.n.say(s.id, events.ServiceStarted{Instance: instance, PID: 1, Routes: []events.Route{{Hosts: []string{s.host}, Upstreams: []string{s.address}}}})
}

func (s *service) healthy(instance string) { s.n.say(s.id, events.ServiceHealthy{Instance: instance}) }
