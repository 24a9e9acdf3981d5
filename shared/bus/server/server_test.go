package server_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

func config(t *testing.T, sources ...events.Source) server.Config {
	t.Helper()
	c := server.Config{Node: "local", Listen: "127.0.0.1:0", Keys: t.TempDir(), StoreDir: t.TempDir()}
	for _, s := range sources {
		if err := bus.Mint(c.Keys, s); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// run starts a server and returns it when it is ready.
func run(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("the bus ended: %v", err)
	}
	return s
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, s *server.Server, c server.Config, name events.Source) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(within(t), bus.Options{URL: s.ClientURL(), Name: string(name), Seed: bus.SeedFile(c.Keys, name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestReady(t *testing.T) {
	for _, store := range []string{server.Memory, server.File} {
		t.Run(store, func(t *testing.T) {
			c := config(t, events.Busd, "alpha")
			c.Store = store
			s := run(t, c)
			if err := s.Healthy(); err != nil {
				t.Error(err)
			}
			conn := connect(t, s, c, events.Busd)
			for _, stream := range []string{events.StreamEvents, events.StreamCommands, events.StreamLogs, events.StreamRuns, events.ObjectStream(events.ObjectsArtifacts)} {
				if _, err := conn.JS.Stream(within(t), stream); err != nil {
					t.Errorf("%s: %v", stream, err)
				}
			}
			for _, bucket := range []string{
				events.BucketDesired, events.BucketSpecs, events.BucketSnapshots, events.BucketPresence,
				events.BucketLeases, events.BucketCerts, events.BucketRoutes,
			} {
				kv, err := conn.JS.KeyValue(within(t), bucket)
				if err != nil {
					t.Errorf("%s: %v", bucket, err)
					continue
				}
				if _, err := kv.Put(within(t), "k", []byte("v")); err != nil {
					t.Errorf("%s: %v", bucket, err)
				}
				if e, err := kv.Get(within(t), "k"); err != nil || string(e.Value()) != "v" {
					t.Errorf("%s: %v", bucket, err)
				}
				stream, err := conn.JS.Stream(within(t), events.KVStream(bucket))
				if err != nil || stream.CachedInfo().Config.AllowDirect {
					t.Errorf("%s: a follower may answer with something stale (%v)", bucket, err)
				}
			}
			if _, err := conn.JS.ObjectStore(within(t), events.ObjectsArtifacts); err != nil {
				t.Error(err)
			}
			if store == server.Memory {
				empty(t, c.StoreDir)
			}
		})
	}
}

// empty fails where a directory has a file.
func empty(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			t.Errorf("there is %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestInProcessOnly(t *testing.T) {
	c := config(t, events.Busd)
	c.Listen = ""
	s := run(t, c)
	if s.ClientURL() != "" {
		t.Errorf("it listens on %s", s.ClientURL())
	}
	conn, err := bus.Connect(within(t), bus.Options{Name: "busd", Seed: bus.SeedFile(c.Keys, events.Busd), InProcess: s})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.JS.AccountInfo(within(t)); err != nil {
		t.Error(err)
	}
}

func TestRestartKeepsFiles(t *testing.T) {
	c := config(t, events.Busd)
	c.Store = server.File
	for want := range uint64(3) {
		t.Run("", func(t *testing.T) {
			conn := connect(t, run(t, c), c, events.Busd)
			stream, err := conn.JS.Stream(within(t), events.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			if got := stream.CachedInfo().State.LastSeq; got != want {
				t.Errorf("the last sequence is %d, want %d", got, want)
			}
			if _, err := conn.JS.Publish(within(t), "core.event.local.busd.clients.refused", []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config(t)
	c.Listen = l.Addr().String()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(within(t))
	var taken *server.ListenError
	if !errors.As(err, &taken) || taken.Address != c.Listen || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
	if want := "bus: listen on " + c.Listen + ": "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "--bus.listen") {
		t.Errorf("got %q", err)
	}
	empty(t, c.StoreDir)
}

func TestOneServerPerStore(t *testing.T) {
	for _, store := range []string{server.Memory, server.File} {
		c := config(t)
		c.Store = store
		run(t, c)
		s, err := server.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(within(t)); err == nil || !strings.Contains(err.Error(), "is in use by another bus") {
			t.Errorf("%s: got %v", store, err)
		}
	}
}

// Buses with a memory store that are killed leave nothing that adds up.
func TestMemoryLeavesNothing(t *testing.T) {
	c := config(t)
	left := filepath.Join(c.StoreDir, "memory", "jetstream", "of-one-that-was-killed")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	t.Run("while it runs", func(t *testing.T) {
		run(t, c)
		if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", left, err)
		}
	})
	for dir, want := range map[string]int{c.StoreDir: 1, os.TempDir(): 0} { // the lock
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
			t.Errorf("%s has %v (%v)", dir, entries, err)
		}
	}
}

func TestBadConfig(t *testing.T) {
	good := server.Config{Node: "local", Listen: "127.0.0.1:0", Keys: "keys"}
	for _, c := range []struct {
		change func(*server.Config)
		want   string
	}{
		{func(c *server.Config) { c.Node = "a.b" }, `node: the name "a.b" has '.'`},
		{func(c *server.Config) { c.Listen = "4222" }, "bus.listen: address 4222: missing port in address: want host:port"},
		{func(c *server.Config) { c.Listen = "127.0.0.1:99999" }, `has no port from 0 to 65535`},
		{func(c *server.Config) { c.Store = "tape" }, `bus.store is "tape": want "memory" or "file"`},
		{func(c *server.Config) { c.Store = "file" }, "the file store needs a directory"},
		{func(c *server.Config) { c.Keys = "" }, "the bus needs a key directory"},
		{func(c *server.Config) { c.StoreDir = "a\"\nb" }, "has a character that the server's configuration cannot hold"},
	} {
		config := good
		c.change(&config)
		if _, err := server.New(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestBadStart(t *testing.T) {
	c := config(t)
	c.Keys = filepath.Join(c.Keys, "missing")
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(within(t)); err == nil || !strings.Contains(err.Error(), "watch the key directory") {
		t.Errorf("got %v", err)
	}
	c = config(t)
	c.Store, c.Sync = server.File, "sometimes"
	if s, err = server.New(c); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(within(t)); err == nil || !strings.Contains(err.Error(), "sync_interval") && !strings.Contains(err.Error(), "sometimes") {
		t.Errorf("got %v", err)
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a server that does not run accepts a connection")
	}
}

// refusals collects what a server tells.
type refusals struct {
	mu  sync.Mutex
	all []events.ClientRefused
	new chan struct{}
}

func (r *refusals) add(f events.ClientRefused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
	r.new <- struct{}{}
}

func TestRefused(t *testing.T) {
	r := &refusals{new: make(chan struct{}, 100)}
	c := config(t, "alpha", "beta")
	c.Refused = r.add
	s := run(t, c)
	other := t.TempDir()
	for _, s := range []events.Source{"alpha", "mallory"} {
		if err := bus.Mint(other, s); err != nil {
			t.Fatal(err)
		}
	}
	key := func(dir string, s events.Source) string {
		k, err := bus.Public(dir, s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		option       nats.Option
		user, reason string
	}{
		{"without a credential", nats.Name("x"), "", "it presented no nkey"},
		{"with a password", nats.UserInfo("root", "toor"), "root", "it presented no nkey"},
		{"with a key of another directory", seed(t, other, "alpha"), key(other, "alpha"), "its key is not in the bus's key directory"},
		{"with a stranger's key", seed(t, other, "mallory"), key(other, "mallory"), "its key is not in the bus's key directory"},
		{"with a stolen public key", nats.Nkey(key(c.Keys, "beta"), pair.Sign), key(c.Keys, "beta"), "its signature is not that of beta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc, err := nats.Connect(s.ClientURL(), c.option, nats.NoReconnect())
			if err == nil {
				nc.Close()
				t.Fatal("accepted")
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("got %v", err)
			}
			<-r.new
			r.mu.Lock()
			defer r.mu.Unlock()
			got := r.all[len(r.all)-1]
			if got.User != c.user || got.Reason != c.reason || !strings.HasPrefix(got.Address, "127.0.0.1:") || got.Count != len(r.all) {
				t.Errorf("got %+v, want %q %q", got, c.user, c.reason)
			}
		})
	}
}

// TestRefusedFlood: many refusals are told as few.
func TestRefusedFlood(t *testing.T) {
	r := &refusals{new: make(chan struct{}, 1000)}
	c := config(t)
	c.Refused = r.add
	s := run(t, c)
	const clients = 50
	for range clients {
		if nc, err := nats.Connect(s.ClientURL(), nats.NoReconnect()); err == nil {
			nc.Close()
			t.Fatal("accepted")
		}
	}
	for {
		select {
		case <-r.new:
		case <-within(t).Done():
			t.Fatal("not all refusals were told")
		}
		r.mu.Lock()
		last, n := r.all[len(r.all)-1], len(r.all)
		r.mu.Unlock()
		if last.Count == clients {
			if n > 5 {
				t.Errorf("%d refusals were told %d times", clients, n)
			}
			return
		}
	}
}

func seed(t *testing.T, dir string, s events.Source) nats.Option {
	t.Helper()
	o, err := nats.NkeyOptionFromSeed(bus.SeedFile(dir, s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestNewKey(t *testing.T) {
	c := config(t, events.Busd, "alpha")
	s := run(t, c)
	alpha := connect(t, s, c, "alpha")
	for _, name := range []events.Source{"beta", "gamma", "delta"} {
		if err := bus.Mint(c.Keys, name); err != nil {
			t.Fatal(err)
		}
		conn := connect(t, s, c, name) // at once
		kv, err := conn.Bucket(within(t), events.ServiceBucket(events.Entity(name)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(within(t), "k", nil); err != nil {
			t.Error(err)
		}
	}
	if stats := alpha.NC.Stats(); stats.Reconnects != 0 || !alpha.NC.IsConnected() {
		t.Errorf("alpha was disconnected %d times", stats.Reconnects)
	}
}

func TestRemovedKey(t *testing.T) {
	c := config(t, events.Busd, "alpha", "beta")
	s := run(t, c)
	alpha, beta := connect(t, s, c, "alpha"), connect(t, s, c, "beta")
	gone := alpha.NC.StatusChanged(nats.RECONNECTING)
	if err := os.Remove(bus.PublicFile(c.Keys, "alpha")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-within(t).Done():
		t.Fatal("alpha lost its key and kept its connection")
	}
	if beta.NC.Stats().Reconnects != 0 || !beta.NC.IsConnected() {
		t.Error("beta was disconnected")
	}
	_, err := bus.Connect(within(t), bus.Options{URL: s.ClientURL(), Name: "alpha", Seed: bus.SeedFile(c.Keys, "alpha")})
	var refused *bus.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestBadKeyFileIsLogged(t *testing.T) {
	var text testproc.Buffer
	c := config(t, events.Busd)
	c.Log = slog.New(slog.NewTextHandler(&text, nil))
	if err := os.WriteFile(filepath.Join(c.Keys, "odd.pub"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	connect(t, run(t, c), c, events.Busd)
	if want := "holds no public nkey of a user"; !strings.Contains(text.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, text.String())
	}
}

func TestMetrics(t *testing.T) {
	c := config(t, events.Busd)
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Collector())
	if got := gather(t, registry); len(got) != 1 || got["core_bus_up"] != 0 {
		t.Errorf("a server that does not run has %v", got)
	}
	s = run(t, c)
	conn := connect(t, s, c, events.Busd)
	ctx, cancel := context.WithCancel(within(t))
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn.ServeCommands(ctx, "local", events.Busd, func(context.Context, bus.Command) error { return nil })
	}()
	defer func() { cancel(); <-served }()
	if _, err := conn.JS.Publish(within(t), "core.event.local.busd.clients.refused", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Send(within(t), events.CommandAddress{Node: "local", Target: "procd", Entity: "alpha"}, events.StopService{}); err != nil {
		t.Fatal(err)
	}
	registry = prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Collector())
	var got map[string]float64
	for range 1000 { // the consumer of commands comes up by itself
		got = gather(t, registry)
		if _, ok := got["core_bus_consumer_pending{consumer=local-busd,stream=CORE_COMMANDS}"]; ok {
			break
		}
	}
	for name, want := range map[string]float64{
		"core_bus_up": 1, "core_bus_connections": 2, "core_bus_slow_consumers_total": 0, "core_bus_refused_total": 0,
		"core_bus_stream_messages{stream=CORE_EVENTS}":                            1,
		"core_bus_stream_messages{stream=CORE_COMMANDS}":                          1,
		"core_bus_stream_last_sequence{stream=CORE_EVENTS}":                       1,
		"core_bus_consumer_pending{consumer=local-busd,stream=CORE_COMMANDS}":     0,
		"core_bus_consumer_ack_pending{consumer=local-busd,stream=CORE_COMMANDS}": 0,
		"core_bus_consumer_redelivered{consumer=local-busd,stream=CORE_COMMANDS}": 0,
		"core_bus_stream_consumers{stream=CORE_COMMANDS}":                         1,
		"core_bus_jetstream_disk_bytes":                                           0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for _, name := range []string{"core_bus_messages_in_total", "core_bus_bytes_out_total", "core_bus_jetstream_memory_bytes", "core_bus_jetstream_api_total", "core_bus_stream_bytes{stream=CORE_EVENTS}"} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			if labels != nil {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}
