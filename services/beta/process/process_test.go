package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/testutil/testbus"

	"core.internal/services/beta/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// beta is one running beta.
type beta struct {
	t    *testing.T
	url  string
	stop func()
}

func run(t *testing.T, b *testbus.Bus) *beta {
	t.Helper()
	tally := process.NewTally()
	metrics, err := process.NewMetrics(prometheus.NewRegistry(), tally)
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	work := process.Work(tally, metrics, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- service.Run(ctx, service.Options{
			ID: process.Source, Handler: process.Handler(tally, nil),
			Settings: service.Settings{
				Node: testbus.Node, BusURL: b.URL(), BusSeedFile: b.Seed(process.Source), Listen: "127.0.0.1:0", StopTimeout: 5 * time.Second,
			},
			Work: func(ctx context.Context, s *service.Service) error {
				ready <- "http://" + s.Address
				return work(ctx, s)
			},
		})
	}()
	r := &beta{t: t}
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("beta ended: %v", err)
			}
		}
	}
	t.Cleanup(r.stop)
	select {
	case r.url = <-ready:
	case err := <-done:
		t.Fatalf("beta did not start: %v", err)
	}
	wait(t, func() bool { status, _ := r.get("/health"); return status == 200 })
	return r
}

func (b *beta) get(path string) (int, string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := client.Get(b.url + path)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text)
}

// shows waits until the tally is as given.
func (b *beta) shows(want string) {
	b.t.Helper()
	var got string
	defer func() {
		if b.t.Failed() {
			b.t.Logf("last tally: %s", got)
		}
	}()
	wait(b.t, func() bool { _, got = b.get("/tally"); return got == want+"\n" })
}

// alpha states facts as alpha would.
type alpha struct {
	t     *testing.T
	facts *bus.Publisher
}

func stating(t *testing.T, b *testbus.Bus) *alpha {
	t.Helper()
	c := b.Connect(process.Alpha)
	p := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: process.Alpha})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("alpha's outbox: %v", err)
		}
	})
	return &alpha{t, p}
}

func (a *alpha) state(series int, name string, count int) {
	a.t.Helper()
	data, err := json.Marshal(process.Greeted{Series: time.Unix(int64(series), 0).UTC(), Name: name, Count: count, Total: count})
	if err != nil {
		a.t.Fatal(err)
	}
	a.raw(process.FactGreeted, 1, string(data))
}

func (a *alpha) raw(t events.Type, version int, data string) {
	a.t.Helper()
	a.facts.State("greetings", events.Domain{Type: t, Version: version, Data: json.RawMessage(data)}, "")
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
	defer cancel()
	if err := a.facts.Flush(ctx); err != nil {
		a.t.Fatal(err)
	}
}

func TestTally(t *testing.T) {
	b := testbus.Start(t, process.Source, process.Alpha)
	a, r := stating(t, b), run(t, b)
	r.shows(`{"total":0,"names":[]}`)
	a.state(1, "Ada", 1)
	a.state(1, "Ada", 2)
	a.state(1, "Bob", 1)
	r.shows(`{"total":3,"names":[{"name":"Ada","count":2},{"name":"Bob","count":1}]}`)

	// Repeated, late, strange: nothing of it changes the tally or stops beta.
	a.state(1, "Ada", 2)
	a.state(1, "Ada", 1)
	a.raw(process.FactGreeted, 2, `{"name":"Eve"}`)
	a.raw(process.FactGreeted, 1, `{"name":5}`)
	a.raw(process.FactGreeted, 1, `{}`)
	a.raw("alpha.waved", 1, `{}`)
	a.state(0, "Old", 9)
	a.state(1, "Bob", 2)
	r.shows(`{"total":4,"names":[{"name":"Ada","count":2},{"name":"Bob","count":2}]}`)

	// Counting began anew.
	a.state(7, "Eve", 1)
	r.shows(`{"total":1,"names":[{"name":"Eve","count":1}]}`)

	if status, body := r.get("/elsewhere"); status != 404 || body == "" {
		t.Errorf("%d %s", status, body)
	}
}

func TestTallySurvivesBeta(t *testing.T) {
	b := testbus.Start(t, process.Source, process.Alpha)
	a, r := stating(t, b), run(t, b)
	a.state(1, "Ada", 5)
	r.shows(`{"total":5,"names":[{"name":"Ada","count":5}]}`)
	r.stop()
	a.state(1, "Ada", 6)
	a.state(1, "Bob", 1)
	run(t, b).shows(`{"total":7,"names":[{"name":"Ada","count":6},{"name":"Bob","count":1}]}`)
}

func TestTallySurvivesTheBus(t *testing.T) {
	b := testbus.Start(t, process.Source, process.Alpha)
	a, r := stating(t, b), run(t, b)
	a.state(1, "Ada", 5)
	a.state(1, "Bob", 1)
	want := `{"total":6,"names":[{"name":"Ada","count":5},{"name":"Bob","count":1}]}`
	r.shows(want)
	b.Down()
	r.shows(want)
	b.Up()
	a.state(1, "Bob", 2) // its consumer is gone with the stream, and made anew
	want = `{"total":7,"names":[{"name":"Ada","count":5},{"name":"Bob","count":2}]}`
	r.shows(want)
	r.stop()
	run(t, b).shows(want) // from the bucket: Ada's fact is lost
}

func TestTallyIsWrittenBackWithoutNews(t *testing.T) {
	b := testbus.Start(t, process.Source, process.Alpha)
	a, r := stating(t, b), run(t, b)
	a.state(1, "Ada", 5)
	want := `{"total":5,"names":[{"name":"Ada","count":5}]}`
	r.shows(want)
	b.Restart()
	reader := b.Connect(process.Source)
	wait(t, func() bool {
		kv, err := reader.Bucket(t.Context(), events.ServiceBucket("beta"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = kv.Get(t.Context(), "tally")
		return err == nil
	})
	r.stop()
	run(t, b).shows(want)
}

// wait returns once a condition holds.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come to that")
		}
	}
}
