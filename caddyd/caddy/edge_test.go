package caddy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

func TestLifeOfARoute(t *testing.T) {
	n := newNode(t)
	_, log := n.caddyd()
	if status, _ := n.get("alpha"); status != 404 {
		t.Errorf("unknown: %d", status)
	}

	alpha := n.service("alpha")
	alpha.register()
	n.until("alpha", "closed: new to the edge")
	if status, body := n.get("alpha"); status != 503 || !strings.Contains(body, "State: not started") {
		t.Errorf("registered: %d %s", status, body)
	}
	alpha.start("one")
	alpha.healthy("one")
	n.until("alpha", "opened [alpha.localhost]")
	if status, body := n.get("alpha"); status != 200 || body != "this is alpha" {
		t.Errorf("healthy: %d %s", status, body)
	}
	n.say("alpha", events.ServiceUnready{Instance: "one", Reason: "status 503"})
	n.until("alpha", "closed: not ready: status 503")
	if status, body := n.get("alpha"); status != 503 || !strings.Contains(body, "not ready: status 503") {
		t.Errorf("unready: %d %s", status, body)
	}
	n.say("alpha", events.ServiceHealthy{Instance: "one"})
	n.until("alpha", "opened [alpha.localhost]")
	n.say("alpha", events.ServiceUnhealthy{Instance: "one", Reason: "status 500"})
	n.until("alpha", "closed: unhealthy: status 500")
	if status, body := n.get("alpha"); status != 503 || !strings.Contains(body, "unhealthy: status 500") {
		t.Errorf("unhealthy: %d %s", status, body)
	}
	alpha.healthy("one")
	n.say("alpha", events.ServiceStopping{Instance: "one", Reason: "asked to"})
	n.say("alpha", events.ServiceExited{Instance: "one", PID: 1, Expected: true})
	n.say("alpha", events.ServiceStopped{})
	n.until("alpha", "closed: stopping: asked to")
	n.say("alpha", events.ServiceUnregistered{})
	n.until("alpha", "removed")
	if status, _ := n.get("alpha"); status != 404 {
		t.Errorf("unregistered: %d", status)
	}
	want := []string{
		"closed: new to the edge", "opened [alpha.localhost]", "closed: not ready: status 503", "opened [alpha.localhost]",
		"closed: unhealthy: status 500",
		"opened [alpha.localhost]", "closed: stopping: asked to", "removed",
	}
	if diff := cmp.Diff(want, n.said("alpha")); diff != "" {
		t.Errorf("stated (-want +got):\n%s", diff)
	}
	if strings.Contains(log.String(), "level=WARN") || strings.Contains(log.String(), "level=ERROR") {
		t.Error("something was wrong in an ordinary life")
	}
}

// However fast or late the edge reads, it states the same.
func TestTheSameFactsForTheSameLife(t *testing.T) {
	n := newNode(t)
	live := func(id string) {
		s := n.service(id)
		s.register()
		for i := range 3 {
			instance := fmt.Sprint(i)
			s.start(instance)
			s.healthy(instance)
			n.say(id, events.ServiceExited{Instance: instance, PID: 1, Code: 1})
			n.say(id, events.ServiceBackedOff{Restarts: i, Reason: "exit status 1"})
		}
	}
	stop, _ := n.caddyd()
	live("alpha")
	live("beta")
	var want []string
	for range 3 {
		want = append(want, "opened", "closed: exited: exit status 1")
	}
	want = append([]string{"closed: new to the edge"}, want...)
	for _, id := range []string{"alpha", "beta"} {
		waitFor(t, func() bool { return len(n.said(id)) == len(want) })
		got := n.said(id)
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], " [")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stated of %s (-want +got):\n%s", id, diff)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A restarted edge serves what the state says, and states it anew.
func TestRestart(t *testing.T) {
	n := newNode(t)
	alpha, gone := n.service("alpha"), n.service("gone")
	alpha.register()
	alpha.start("one")
	alpha.healthy("one")
	gone.register()
	stop, _ := n.caddyd()
	n.until("alpha", "opened [alpha.localhost]")
	n.until("gone", "closed: new to the edge")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n.until("caddyd", "stopped")
	if _, _, err := n.try("alpha"); err == nil {
		t.Error("the edge still answers")
	}
	n.say("gone", events.ServiceUnregistered{})
	n.caddyd()
	if status, _ := n.get("alpha"); status != 200 {
		t.Errorf("alpha: %d when the edge was ready", status)
	}
	n.until("gone", "removed")
	want := []string{"closed: new to the edge", "opened [alpha.localhost]", "closed: new to the edge", "opened [alpha.localhost]"}
	waitFor(t, func() bool { return len(n.said("alpha")) == len(want) })
	if diff := cmp.Diff(want, n.said("alpha")); diff != "" {
		t.Errorf("stated (-want +got):\n%s", diff)
	}
}

// The bus dies and comes back without its memory: nobody who asks the edge
// notices, and what was closed meanwhile becomes closed.
func TestBusLosesItsMemory(t *testing.T) {
	n := newNode(t)
	alpha, beta := n.service("alpha"), n.service("beta")
	for _, s := range []*service{alpha, beta} {
		s.register()
		s.start("one")
		s.healthy("one")
	}
	n.caddyd()
	n.until("alpha", "opened [alpha.localhost]")
	n.until("beta", "opened [beta.localhost]")

	serving := func() {
		t.Helper()
		if status, body := n.get("alpha"); status != 200 {
			t.Fatalf("alpha: %d %s", status, body)
		}
	}
	n.bus.Down()
	serving()
	n.procd.State("beta", events.ServiceExited{Instance: "one", PID: 1, Code: 1}, "")
	n.bus.Up()
	clear(n.seen)
	for range 50 {
		serving()
	}
	n.until("alpha", "opened [alpha.localhost]") // repeated by the edge
	n.until("beta", "closed: exited: exit status 1")
	serving()
	if status, _ := n.get("beta"); status != 503 {
		t.Errorf("beta: %d", status)
	}
	waitFor(t, func() bool {
		return n.stored("alpha").State == state.RouteOpen && n.stored("beta").State == state.RouteClosed
	})
}

// The bus and procd both lost everything, and one service is no more: the edge
// drops it when procd has had time to speak of it.
func TestWhatIsNotToldAgainIsDropped(t *testing.T) {
	n := newNode(t)
	alpha, beta := n.service("alpha"), n.service("beta")
	for _, s := range []*service{alpha, beta} {
		s.register()
		s.start("one")
		s.healthy("one")
	}
	n.caddyd()
	n.until("beta", "opened [beta.localhost]")
	n.bus.Restart()
	n.restartProcd()
	alpha.register()
	alpha.start("one")
	alpha.healthy("one")
	clear(n.seen)
	n.until("beta", "opened [beta.localhost]") // repeated
	if status, _ := n.get("beta"); status != 200 {
		t.Errorf("beta: %d at once", status)
	}
	n.until("beta", "removed")
	if status, _ := n.get("beta"); status != 404 {
		t.Errorf("beta: %d in the end", status)
	}
	if status, _ := n.get("alpha"); status != 200 {
		t.Errorf("alpha: %d", status)
	}
}

// So it does where procd, as one that takes over what runs, says of itself last.
func TestWhatIsNotToldAgainIsDroppedOnceProcdIsReady(t *testing.T) {
	n := newNode(t)
	alpha, beta := n.service("alpha"), n.service("beta")
	tell := func(s *service) {
		s.register()
		s.start("one")
		s.healthy("one")
	}
	tell(alpha)
	tell(beta)
	n.caddyd()
	n.until("beta", "opened [beta.localhost]")
	n.stopProcd()
	n.bus.Restart()
	n.silentProcd()
	tell(alpha)
	clear(n.seen)
	n.until("alpha", "opened [alpha.localhost]") // repeated
	n.until("beta", "opened [beta.localhost]")
	n.say("procd", events.DaemonReady{PID: 1, Version: "test"})
	n.until("beta", "removed")
	if status, _ := n.get("beta"); status != 404 {
		t.Errorf("beta: %d in the end", status)
	}
	waitFor(t, func() bool { return n.stored("alpha").State == state.RouteOpen })
}

func TestConflictAndNonsenseAreRefused(t *testing.T) {
	n := newNode(t)
	n.caddyd()
	alpha, thief, bad := n.service("alpha"), n.service("thief"), n.service("bad")
	thief.host, bad.host = alpha.host, "bad host"
	alpha.register()
	thief.register()
	bad.register()
	n.until("thief", "refused: service alpha already has alpha.localhost: give one of them another host")
	n.until("bad", `refused: "bad host" is no host: want a name as in "a.example" or "*.a.example", in ASCII and without a port`)
	waitFor(t, func() bool { return n.stored("bad").State == state.RouteRefused })
	n.say("alpha", events.ServiceUnregistered{})
	n.until("thief", "closed: new to the edge")
	waitFor(t, func() bool { return n.stored("alpha").State == "" && n.stored("thief").State == state.RouteClosed })
}

func TestPortHeldByAnotherProcess(t *testing.T) {
	n := newNode(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n.fails = true
	_, wait, log := n.exec("--edge.listen", l.Addr().String())
	err = wait()
	if err == nil || !strings.Contains(err.Error(), "the edge cannot listen on "+l.Addr().String()) ||
		!strings.Contains(err.Error(), fmt.Sprintf("held by pid %d", os.Getpid())) || !strings.Contains(err.Error(), "--edge.listen") {
		t.Errorf("ended with %v\n%s", err, log)
	}
}

func TestMetricsAndHealth(t *testing.T) {
	n := newNode(t)
	n.caddyd()
	delete(n.seen, "caddyd")
	ready := n.ready()
	get := func(path string) string {
		answer, err := http.Get("http://" + ready.Addresses["metrics"] + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s %s %v", answer.Status, b, err)
		}
		return string(b)
	}
	if got := get("/healthz"); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
	text := get("/metrics")
	for _, want := range []string{`core_edge_reloads_total{result="ok"}`, "core_edge_last_reload_seconds", `core_edge_sites{state="open"} 0`, "caddy_http_requests_total{"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}

// ready waits until the edge has said that it is ready, once more than before.
func (n *node) ready() events.DaemonReady {
	n.t.Helper()
	n.until("caddyd", "ready")
	for r, err := range n.conn.Events().Read(n.t.Context(), n.seen["caddyd"]-1) {
		if err != nil {
			n.t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			n.t.Fatal(err)
		}
		ready, err := events.As[events.DaemonReady](e)
		if err != nil {
			n.t.Fatal(err)
		}
		return ready
	}
	n.t.Fatal("the fact is gone")
	return events.DaemonReady{}
}

// stored is what the bucket of routes has of a service.
func (n *node) stored(id string) (r state.Route) {
	n.t.Helper()
	bucket, err := n.conn.Bucket(n.t.Context(), events.BucketRoutes)
	if err != nil {
		n.t.Fatal(err)
	}
	entry, err := bucket.Get(n.t.Context(), events.DesiredKey(testbus.Node, events.Entity(id)))
	if err != nil {
		return r
	}
	if err := json.Unmarshal(entry.Value(), &r); err != nil {
		n.t.Error(err)
	}
	return r
}

// waitFor waits for what the bus does not tell.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		if ctx.Err() != nil {
			t.Fatal("it did not come true")
		}
	}
}
