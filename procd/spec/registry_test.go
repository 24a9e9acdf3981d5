package spec_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	registry "core.internal/procd/spec"
	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/spec"
	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

func located(t *testing.T, id string) spec.Located {
	t.Helper()
	l, err := spec.ParseLocated(id+".json", []byte(`{"id":"`+id+`","process":{"command":"true"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func nodeDir(t *testing.T) config.Layout {
	l := config.Node{Name: testbus.Node, Root: t.TempDir()}.Layout()
	if err := os.Mkdir(l.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

func newRegistry(c *bus.Conn, l config.Layout) *registry.Registry {
	return registry.NewRegistry(c, testbus.Node, l, slog.New(slog.DiscardHandler))
}

func open(t *testing.T, c *bus.Conn, bucket string) jetstream.KeyValue {
	t.Helper()
	kv, err := c.Bucket(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// run runs a registry until the returned function is called.
func run(t *testing.T, r *registry.Registry) func() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// until waits for a key to have a value, or to be deleted where part is empty.
func until(t *testing.T, kv jetstream.KeyValue, key, part string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		// A request that was under way when the bus went is not answered.
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		seen := watch(attempt, kv, key, part)
		cancel()
		if seen {
			return
		}
	}
	t.Fatalf("%s does not become %q", key, part)
}

func watch(ctx context.Context, kv jetstream.KeyValue, key, part string) bool {
	w, err := kv.Watch(ctx, key)
	if err != nil {
		return false
	}
	defer w.Stop()
	for {
		select {
		case e := <-w.Updates():
			switch {
			case e == nil: // all that was there has been seen
			case part == "" && e.Operation() == jetstream.KeyValueDelete:
				return true
			case part != "" && strings.Contains(string(e.Value()), part):
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

func TestRegistry(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	l := nodeDir(t)
	r := newRegistry(c, l)
	if err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := run(t, r)
	if err := r.Publish([]spec.Located{located(t, "alpha"), located(t, "beta")}); err != nil {
		t.Fatal(err)
	}
	enable(t, r, "alpha", true)
	op := b.Connect(events.Operator)
	specs, desired := open(t, op, events.BucketSpecs), open(t, op, events.BucketDesired)
	until(t, specs, "local.alpha", `"id":"alpha"`)
	until(t, specs, "local.beta", `"id":"beta"`)
	until(t, desired, "local.alpha", `{"enabled":true,"serial":1}`)

	b.Restart() // everything is lost
	r.Lost()
	until(t, specs, "local.beta", `"id":"beta"`)
	until(t, desired, "local.alpha", `{"enabled":true,"serial":1}`)
	stop()

	// A spec that is gone goes.
	next := newRegistry(c, l)
	if err := next.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, next)
	if err := next.Publish([]spec.Located{located(t, "alpha")}); err != nil {
		t.Fatal(err)
	}
	until(t, specs, "local.beta", "")
}

// What was registered is had again as it was, replicas too.
func TestRegisteredSpecs(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	c := b.Connect(events.Procd)
	many, err := spec.ParseLocated(filepath.Join("services", "many", "service.json"), []byte(`{"id":"many","dependencies":["alpha"],
		"process":{"command":"/bin/{service.id}","args":["--replica={replica}"],"replicas":2,"ensure":[{"type":"template","template":"a.tmpl","target":"{shared.config.dir}/a"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	published := spec.WithReplicas([]spec.Located{many, located(t, "alpha")})
	r := newRegistry(c, nodeDir(t))
	stop := run(t, r)
	if err := r.Publish(published); err != nil {
		t.Fatal(err)
	}
	kv, err := b.Connect(events.Operator).Bucket(t.Context(), events.BucketSpecs)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"alpha", "many-0", "many-1"} {
		until(t, kv, "local."+id, `"id":"`+id+`"`)
	}
	stop()
	next := newRegistry(c, nodeDir(t))
	if err := next.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := next.Specs()
	if len(got) != 3 {
		t.Fatalf("%d specs", len(got))
	}
	for i, want := range published {
		g := got[i]
		if !reflect.DeepEqual(g.Service, want.Service) || g.Digest != want.Digest || g.Dir != want.Dir || g.ReplicaOf != want.ReplicaOf || g.Replica != want.Replica {
			t.Errorf("%s was\n%+v, is\n%+v", want.ID, want, g)
		}
	}
}

func TestLoad(t *testing.T) {
	c := config.Default()
	c.Root = t.TempDir()
	dir := filepath.Join(c.Root, "specs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"good.json": `{"id":"good","process":{"command":"true"}}`,
		"bad.json":  `{"id":"bad"}`,
		"web.json":  `{"id":"web","process":{"command":"true","replicas":2}}`,
		"lost.json": `{"id":"lost","process":{"command":"true"},"dependencies":["goood","web"]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	specs, err := registry.Load(c, "")
	if len(specs) != 4 || err == nil || !strings.Contains(err.Error(), "bad.json") || !strings.Contains(err.Error(), `did you mean "good"?`) {
		t.Fatalf("%d specs, %v", len(specs), err)
	}
	lost, web := specs[1], specs[2]
	if !lost.Needs("web-0") || !lost.Needs("web-1") || lost.Needs("web") || web.ID != "web-0" || web.ReplicaOf != "web" {
		t.Errorf("replicas: %v, %s of %s", lost.Dependencies, web.ID, web.ReplicaOf)
	}
}
