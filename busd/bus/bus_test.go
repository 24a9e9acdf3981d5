package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	busd "core.internal/busd/bus"
	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testproc"
)

// process is busd, in the test's own process or in another, and its log.
type process struct {
	testproc.Buffer
	t    *testing.T
	stop func() error
}

// run starts busd with an own root.
func run(t *testing.T, root string, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	args = append([]string{"--root", root, "--bus.listen", "127.0.0.1:0", "--log.format", "json"}, args...)
	go func() {
		done <- daemon.Exec(ctx, busd.Definition(), args, nil, strings.NewReader(""), io.Discard, p)
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// line waits for a log line with a message and returns its attributes.
func (p *process) line(message string) map[string]any {
	p.t.Helper()
	var found map[string]any
	p.Until(p.t, fmt.Sprintf("%q in the log", message), func(text string) bool {
		for l := range strings.Lines(text) {
			var attrs map[string]any
			if json.Unmarshal([]byte(l), &attrs) == nil && attrs["msg"] == message {
				found = attrs
				return true
			}
		}
		return false
	})
	return found
}

// operator connects as somebody who read the log would.
func (p *process) operator() *bus.Conn {
	p.t.Helper()
	line := p.line("the bus answers")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := bus.Connect(ctx, bus.Options{URL: line["url"].(string), Name: "operator", Seed: line["operator"].(string)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// fact waits for a fact of busd.
func fact[B events.Body](t *testing.T, c *bus.Conn) B {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var got B
	found := errors.New("found")
	err := c.Follow(ctx, bus.Follow{Stream: events.StreamEvents, Filter: events.SourceFacts("local", events.Busd)}, func(r events.Record) error {
		e, err := events.DecodeRecord(r)
		if err != nil {
			return err
		}
		if e.Type != got.EventType() {
			return nil
		}
		if got, err = events.As[B](e); err != nil {
			return err
		}
		return found
	})
	if !errors.Is(err, found) {
		t.Fatal(err)
	}
	return got
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestAlone: busd by itself is a usable broker.
func TestAlone(t *testing.T) {
	root := t.TempDir()
	p := run(t, root)
	c := p.operator()
	ready := fact[events.DaemonReady](t, c)
	if ready.PID != os.Getpid() || ready.Addresses["nats"] != p.line("the bus answers")["url"] {
		t.Errorf("stated %+v", ready)
	}
	for _, s := range append(events.Daemons(), events.Launcher, events.Operator, events.Console) {
		if _, err := os.Stat(filepath.Join(root, "local", "keys", string(s)+".nk")); err != nil {
			t.Error(err)
		}
	}
	base := "http://" + ready.Addresses["metrics"]
	if status, text := get(t, base+"/healthz"); status != 200 || text != "ok\n" {
		t.Errorf("healthz: %d %s", status, text)
	}
	if status, text := get(t, base+"/metrics"); status != 200 || !strings.Contains(text, "core_bus_up 1") || !strings.Contains(text, `core_bus_stream_messages{stream="CORE_EVENTS"} 1`) {
		t.Errorf("metrics: %d %s", status, text)
	}
	if nc, err := nats.Connect(ready.Addresses["nats"], nats.NoReconnect()); err == nil {
		nc.Close()
		t.Error("a client without a credential is accepted")
	}
	if refused := fact[events.ClientRefused](t, c); refused.Count != 1 || refused.Reason != "it presented no nkey" {
		t.Errorf("stated %+v", refused)
	}
	c.Close()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// TestFileStore: what was stated is there after a restart, busd's last fact too.
// The bus comes up for those whose credentials are right, and says whose is not.
func TestDamagedCredential(t *testing.T) {
	root := t.TempDir()
	seed := bus.SeedFile(filepath.Join(root, "local", "keys"), events.Procd)
	if err := errors.Join(os.MkdirAll(filepath.Dir(seed), 0o700), os.WriteFile(seed, []byte("SU"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := run(t, root)
	p.operator()
	if l := p.line("a credential cannot be used"); l["source"] != "procd" || !strings.Contains(fmt.Sprint(l["error"]), seed) {
		t.Errorf("it says %v", l)
	}
}

func TestFileStore(t *testing.T) {
	root := t.TempDir()
	p := run(t, root, "--bus.store", "file")
	p.line("ready")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p = run(t, root, "--bus.store=file")
	if stopped := fact[events.DaemonStopped](t, p.operator()); stopped.Reason != "asked to stop" {
		t.Errorf("stated %+v", stopped)
	}
}

func TestTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	args := []string{"--root", t.TempDir(), "--bus.listen", l.Addr().String()}
	err = daemon.Exec(t.Context(), busd.Definition(), args, nil, strings.NewReader(""), io.Discard, io.Discard)
	var taken *server.ListenError
	if !errors.As(err, &taken) || taken.Address != l.Addr().String() {
		t.Errorf("got %v", err)
	}
}

// TestStopWhileStarting: nothing is left of a busd that is stopped at once.
func TestStopWhileStarting(t *testing.T) {
	for range 5 {
		if err := run(t, t.TempDir()).stop(); err != nil {
			t.Error(err)
		}
	}
}
