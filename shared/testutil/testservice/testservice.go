package testservice

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/spec"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// Settings are those of a service on a test's bus.
func Settings(b *testbus.Bus, id events.Source) service.Settings {
	return service.Settings{
		Node: testbus.Node, BusURL: b.URL(), BusSeedFile: b.Seed(id), Listen: "127.0.0.1:0", StopTimeout: 5 * time.Second,
	}
}

// Running is a service that runs until the test ends or stops it.
type Running struct {
	*service.Service
	t      testing.TB
	cancel context.CancelFunc
	done   chan error
	ended  bool
}

// Run runs a service until its work has begun.
func Run(t testing.TB, o service.Options) *Running {
	t.Helper()
	began := make(chan *service.Service, 1)
	work := o.Work
	o.Work = func(ctx context.Context, s *service.Service) error {
		began <- s
		return work(ctx, s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- service.Run(ctx, o) }()
	select {
	case r.Service = <-began:
	case err := <-r.done:
		cancel()
		t.Fatalf("%s did not start: %v", o.ID, err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("%s ended: %v", o.ID, err)
		}
	})
	return r
}

// Stop ends the service and returns why it ended; only the first call does.
func (r *Running) Stop() error {
	if r.ended {
		return nil
	}
	r.ended = true
	r.cancel()
	return <-r.done
}

// Healthy waits until the service is ready.
func (r *Running) Healthy() {
	r.t.Helper()
	testproc.Eventually(r.t, "the service is healthy", func() bool {
		status, _ := r.Get("/health")
		return status == http.StatusOK
	})
}

// Get asks for a path and returns status and body.
func (r *Running) Get(path string) (int, string) {
	r.t.Helper()
	return r.Do(http.MethodGet, path, "", "")
}

// Do sends a request with a body of a content type; none if that is empty. It
// returns status 0 where there is no answer, which fails the test.
func (r *Running) Do(method, path, kind, body string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, "http://"+r.Address+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Error(err)
	}
	return answer.StatusCode, string(text)
}

// Spec reads the spec of the service whose package is under test.
func Spec(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../service.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Refuses checks that a service takes its own spec, which is returned, and
// refuses it with each of the changes, from old to new text, naming the file.
func Refuses(t testing.TB, parse func([]byte) (spec.Service, error), changes map[string]string) spec.Service {
	t.Helper()
	document := Spec(t)
	s, err := parse(document)
	if err != nil {
		t.Fatal(err)
	}
	for old, now := range changes {
		changed := strings.Replace(string(document), old, now, 1)
		if changed == string(document) {
			t.Fatalf("the spec has no %s", old)
		}
		if _, err := parse([]byte(changed)); err == nil || !strings.Contains(err.Error(), "service.json") {
			t.Errorf("%s as %s: %v", old, now, err)
		}
	}
	return s
}
