package service_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of a service on a test's bus.
func settings(b *testbus.Bus, s events.Source) service.Settings {
	return service.Settings{
		Node: testbus.Node, BusURL: b.URL(), BusSeedFile: b.Seed(s), Listen: "127.0.0.1:0", StopTimeout: 2 * time.Second,
	}
}

// life is a service that runs until the test ends or stops it.
type life struct {
	*service.Service
	stop func() error
}

// live runs a service until its work has begun.
func live(t *testing.T, o service.Options) life {
	t.Helper()
	began := make(chan *service.Service, 1)
	work := o.Work
	o.Work = func(ctx context.Context, s *service.Service) error {
		began <- s
		return work(ctx, s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx, o) }()
	stopped := false
	stop := func() error {
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); err != nil {
				t.Errorf("the service ended: %v", err)
			}
		}
	})
	select {
	case s := <-began:
		return life{s, stop}
	case err := <-done:
		stopped = true
		t.Fatalf("the service did not start: %v", err)
		return life{}
	}
}

// get asks for a path and returns status and body.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := client.Get("http://" + address + path)
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

// facts lists the types of what a source has stated.
func facts(t *testing.T, b *testbus.Bus, s events.Source) []events.Envelope {
	t.Helper()
	var list []events.Envelope
	for r, err := range b.Connect(events.Operator).Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if e.Source == s {
			list = append(list, e)
		}
	}
	return list
}

func decode(t *testing.T, text string) map[string]string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}
