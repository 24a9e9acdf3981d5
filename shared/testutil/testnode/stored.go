package testnode

import (
	"context"
	"testing"
	"time"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Stored returns the facts that a node which is down left in its file store, in
// order: the last ones too, which nobody could read while it went down.
func Stored(t testing.TB, c config.Node) []events.Envelope {
	t.Helper()
	layout := c.Layout()
	s, err := server.New(server.Config{
		Node: c.Name, Listen: "127.0.0.1:0", Store: server.File, StoreDir: layout.Store(), Keys: layout.Keys(),
	})
	if err != nil {
		t.Fatal(err)
	}
	serve, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(serve) }()
	defer func() {
		end()
		<-ended
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	select {
	case <-s.Ready():
	case err := <-ended:
		ended <- err
		t.Fatalf("the bus did not start: %v", err)
	}
	conn, err := bus.Connect(ctx, bus.Options{InProcess: s, Name: string(events.Operator), Seed: layout.Seed(events.Operator)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var facts []events.Envelope
	for r, err := range conn.Events().Read(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, e)
	}
	return facts
}
