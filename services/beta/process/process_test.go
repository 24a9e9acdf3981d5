package process_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/testutil/testbus"

	"core.internal/services/beta/process"
	"core.internal/shared/testutil/testproc"
	"core.internal/shared/testutil/testservice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

// beta is one running beta.
type beta struct {
	*testservice.Running
	t *testing.T
}

func run(t *testing.T, b *testbus.Bus) *beta {
	t.Helper()
	tally := process.NewTally()
	metrics, err := process.NewMetrics(prometheus.NewRegistry(), tally)
	if err != nil {
		t.Fatal(err)
	}
	r := &beta{t: t, Running: testservice.Run(t, service.Options{
		ID: process.Source, Settings: testservice.Settings(b, process.Source),
		Handler: process.Handler(tally, nil), Work: process.Work(tally, metrics, nil),
	})}
	r.Healthy()
	return r
}

// stop ends beta before its test ends.
func (b *beta) stop() {
	if err := b.Stop(); err != nil {
		b.t.Errorf("beta ended: %v", err)
	}
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
	testproc.Eventually(b.t, "the tally is "+want, func() bool { _, got = b.Get("/tally"); return got == want+"\n" })
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
	testproc.Background(t, func(ctx context.Context) error { return p.Run(ctx, c) })
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

	if status, body := r.Get("/elsewhere"); status != 404 || body == "" {
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
	testproc.Eventually(t, "the bucket has the tally", func() bool {
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
