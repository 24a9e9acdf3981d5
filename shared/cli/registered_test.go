package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// A bus that knows nothing yet is not what says that a name is unknown.
func TestRegistered(t *testing.T) {
	b := testbus.Start(t, events.Procd)
	procd := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Procd})
	conn := b.Connect(events.Procd)
	testproc.Background(t, func(ctx context.Context) error { return procd.Run(ctx, conn) })
	op := b.Connect(events.Operator)
	s := &session{Conn: op, view: bus.NewView(op, testbus.Node), node: testbus.Node}
	testproc.Background(t, s.view.Run)
	c := &call{app: testApp(), node: config.Default()}
	c.node.Root = t.TempDir()
	dir := filepath.Join(c.node.Root, "specs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := `{"id":"shop","process":{"command":"true","replicas":2}}`
	if err := os.WriteFile(filepath.Join(dir, "shop.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), registryWithin-time.Second, errors.New("it was waited for in vain"))
	defer cancel()
	// When the names were looked for once in vain, what follows is stated.
	after := func(name events.Entity, tell func()) bool {
		t.Helper()
		asked := make(chan struct{})
		known := make(chan bool, 1)
		once := false
		go func() {
			knows := func(st state.State, id events.Entity) bool {
				if !once {
					once = true
					close(asked)
				}
				return len(st.Members(id)) > 0
			}
			st, err := c.registered(ctx, s, []string{string(name)}, knows)
			if err != nil {
				t.Errorf("%s: %v", name, context.Cause(ctx))
			}
			known <- len(st.Members(name)) > 0
		}()
		<-asked
		tell()
		return <-known
	}
	told := func(id events.Entity, b events.Body) func() { return func() { procd.State(id, b, "") } }
	if !after("alpha", told("alpha", events.ServiceRegistered{Name: "alpha"})) {
		t.Error("alpha is unknown before procd has told what there is")
	}
	if after("beta", told("procd", events.DaemonReady{PID: 1, Version: "v"})) {
		t.Error("beta is known")
	}
	if !after("shop", told("shop-1", events.ServiceRegistered{Name: "shop", ReplicaOf: "shop"})) {
		t.Error("shop, which has a spec here, is unknown")
	}
	if after("alhpa", func() {}) {
		t.Error("alhpa is known")
	}
}
