package server_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/bus/server"
	"core.internal/shared/events"
)

// serves fails where the bus does not serve a well-behaved client any more.
func serves(t *testing.T, s *server.Server, c server.Config) {
	t.Helper()
	conn := connect(t, s, c, events.Busd)
	defer conn.Close()
	if _, err := conn.JS.Publish(within(t), "core.event.local.busd.clients.refused", []byte("x")); err != nil {
		t.Error(err)
	}
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}

// TestHostileBytes: what is not NATS, or too much, ends its own connection only.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	c := config(t, events.Busd)
	s := run(t, c)
	for name, text := range map[string]string{
		"no NATS":            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"no CONNECT":         "PUB core.event.local.procd.alpha.healthy 1\r\nx\r\n",
		"half a CONNECT":     "CONNECT {\"verbose\":true",
		"a broken CONNECT":   "CONNECT {\"verbose\":7}\r\n",
		"an endless line":    "CONNECT {" + strings.Repeat("x", 1<<20),
		"an empty signature": "CONNECT {\"nkey\":\"UA\",\"sig\":\"\"}\r\nPING\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(nc, text) // the server may hang up within
			answer, _ := io.ReadAll(nc)
			if strings.Contains(string(answer), "PONG") || strings.Contains(string(answer), "+OK") {
				t.Errorf("the bus answered %q", answer)
			}
		})
	}
	serves(t, s, c)
}

func TestOversizedMessage(t *testing.T) {
	c := config(t, events.Busd, "alpha")
	s := run(t, c)
	wire := &stuck{}
	alpha, err := nats.Connect(s.ClientURL(), seed(t, c.Keys, "alpha"), nats.SetCustomDialer(wire))
	if err != nil {
		t.Fatal(err)
	}
	defer alpha.Close()
	if err := alpha.Publish("core.event.local.alpha.alpha.x", make([]byte, 2<<20)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("the client library sends more than the bus takes: %v", err)
	}
	// A client that does not care is cut off.
	lost := alpha.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	if _, err := fmt.Fprintf(wire, "PUB core.event.local.alpha.alpha.x %d\r\n", 2<<20); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
	case <-within(t).Done():
		t.Error("it was not cut off")
	}
	serves(t, s, c)
}

// stuck is a connection that stops reading when told.
type stuck struct {
	net.Conn
	stop atomic.Bool
	end  chan struct{}
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.stop.Load() {
		<-s.end
		return 0, net.ErrClosed
	}
	return s.Conn.Read(p)
}

func (s *stuck) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err == nil {
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	s.Conn = conn
	return s, err
}

// TestSlowPeer: a client that stops reading slows down nobody and is cut off.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	c := config(t, events.Busd)
	s := run(t, c)
	slow := &stuck{end: make(chan struct{})}
	nc, err := nats.Connect(s.ClientURL(), seed(t, c.Keys, events.Busd), nats.SetCustomDialer(slow), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	defer close(slow.end)
	if _, err := nc.Subscribe("core.event.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	slow.stop.Store(true)
	conn := connect(t, s, c, events.Busd)
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Collector())
	body := make([]byte, 256<<10)
	ctx := within(t)
	for i := 0; gather(t, registry)["core_bus_slow_consumers_total"] == 0; i++ {
		began := time.Now()
		if _, err := conn.JS.Publish(ctx, "core.event.local.busd.clients.refused", body); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("message %d took %v", i, took)
		}
	}
	serves(t, s, c)
}
