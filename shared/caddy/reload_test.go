package caddy

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"core.internal/shared/caddy/site"
)

// Twenty reloads under eight clients, four of which open a connection for each
// request: no request fails.
func TestReloadsDropNothing(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	apply(t, opened("alpha", alpha))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var requests atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			transport := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer transport.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := fine(ctx, transport); err != nil {
					t.Error(err)
					return
				}
				requests.Add(1)
			}
		})
	}
	for i := range 20 {
		apply(t, opened("alpha", alpha), closed("beta", fmt.Sprintf("reload %d", i)))
		for n := requests.Load() + 50; requests.Load() < n && !t.Failed(); {
			if err := fine(ctx, http.DefaultTransport); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("%d requests over 20 reloads", requests.Load())
}

func fine(ctx context.Context, transport http.RoundTripper) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+edge.Address()+"/", nil)
	if err != nil {
		return err
	}
	r.Host = "alpha.localhost"
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || string(body) != "fine" {
		return fmt.Errorf("%s %q %w", answer.Status, body, err)
	}
	return nil
}

// The calls that wait together become one configuration, and each returns when
// what it asked for, or what came after it, is live.
func TestApplyCoalesces(t *testing.T) {
	before := counter(t, "core_edge_reloads_total", "result", "ok")
	var calls sync.WaitGroup
	for i := range 200 {
		calls.Go(func() { apply(t, closed("alpha", fmt.Sprintf("call %d", i))) })
	}
	calls.Wait()
	if n := counter(t, "core_edge_reloads_total", "result", "ok") - before; n < 1 || n >= 200 {
		t.Errorf("%v reloads for 200 calls", n)
	}
	apply(t, closed("alpha", "the last word"))
	if _, body := ask(t, "alpha.localhost", "/"); !strings.Contains(body, "the last word") {
		t.Error(body)
	}
}

// A stream passes event by event, goes on through reloads and through the
// service being closed, and ends when the service ends it.
func TestStream(t *testing.T) {
	next := make(chan string)
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			w.(http.Flusher).Flush()
		}
	})
	apply(t, opened("alpha", alpha))
	c, r := dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: alpha.localhost\r\n\r\n")
	next <- "first"
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() != "" {
				break
			}
		}
		if lines.Text() != "data: "+want {
			t.Fatalf("read %q, want %q (%v)", lines.Text(), want, lines.Err())
		}
	}
	expect("first")
	for i := range 3 {
		apply(t, opened("alpha", alpha), closed("beta", fmt.Sprintf("reload %d", i)))
		event := fmt.Sprintf("after reload %d", i)
		next <- event
		expect(event)
	}
	apply(t, closed("alpha", "stopping"))
	next <- "last"
	expect("last")
	close(next)
	lines.Scan() // the empty line that ends the last event
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("the stream goes on with %q, %v", lines.Text(), lines.Err())
	}
}

// A WebSocket handshake passes, and the connection outlives reloads.
func TestUpgrade(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(c, "echo ", line)
		}
	})
	apply(t, opened("alpha", alpha))
	c, r := dial(t)
	fmt.Fprint(c, "GET /socket HTTP/1.1\r\nHost: alpha.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%+v, %v", answer, err)
	}
	for i := range 4 {
		fmt.Fprintf(c, "%d\n", i)
		line, err := r.ReadString('\n')
		if want := fmt.Sprintf("echo %d\n", i); line != want || err != nil {
			t.Fatalf("read %q, want %q (%v)", line, want, err)
		}
		apply(t, opened("alpha", alpha), closed("beta", fmt.Sprintf("reload %d", i)))
	}
}

// A request with two lengths, the beginning of request smuggling, is not passed on.
func TestSmugglingIsRejected(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("passed on: %s %s", r.Method, r.URL) })
	apply(t, opened("alpha", alpha))
	for _, header := range []string{
		"Content-Length: 5\r\nContent-Length: 6", "Transfer-Encoding: chunked, identity", "Transfer-Encoding : chunked", "X: a\r\n b\x00",
	} {
		c, r := dial(t)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: alpha.localhost\r\n%s\r\n\r\n0\r\n\r\n", header)
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			continue // closed without a word
		}
		if answer.StatusCode < 400 || answer.StatusCode == http.StatusBadGateway {
			t.Errorf("%q is answered with %s", header, answer.Status)
		}
	}
}

func TestMetrics(t *testing.T) {
	alpha := upstream(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	apply(t, opened("alpha", alpha), closed("beta", "stopped"), opened("dead", free(t)), site.Site.Refuse(opened("bad"), "no host"))
	asked := map[string]string{"alpha": "418", "beta": "503", "dead": "502"}
	before := map[string]float64{}
	for id, code := range asked {
		before[id] = counter(t, "core_edge_requests_total", "service", id, "code", code)
	}
	all := counter(t, "caddy_http_requests_total")
	for id, code := range asked {
		ask(t, id+".localhost", "/")
		// It is counted after it was answered.
		until(t, func() bool {
			return counter(t, "core_edge_requests_total", "service", id, "code", code)-before[id] == 1
		})
	}
	until(t, func() bool { return counter(t, "caddy_http_requests_total")-all >= 3 })
	for state, want := range map[string]float64{"open": 2, "closed": 1, "refused": 1} {
		if n := counter(t, "core_edge_sites", "state", state); n != want {
			t.Errorf("%v sites are %s, want %v", n, state, want)
		}
	}
	if counter(t, "core_edge_last_reload_seconds") <= 0 {
		t.Error("no time was taken by the last change")
	}
}

// until waits until ok holds.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		if ctx.Err() != nil {
			t.Fatal("it did not come true")
		}
	}
}

// counter reads the sum of the metrics with a name and labels.
func counter(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(edge.Collector()); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && has(m, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func has(m *dto.Metric, labels []string) bool {
	found := 0
	for _, l := range m.Label {
		for i := 0; i < len(labels); i += 2 {
			if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
				found++
			}
		}
	}
	return found == len(labels)/2
}
