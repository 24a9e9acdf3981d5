package process_test

import (
	"bytes"
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

	"core.internal/services/alpha/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alpha is one running alpha.
type alpha struct {
	t       *testing.T
	url     string
	counter *process.Counter
	stop    func()
}

// run runs alpha until it is healthy.
func run(t *testing.T, b *testbus.Bus, l process.Limits) *alpha {
	t.Helper()
	a := &alpha{t: t, counter: process.NewCounter(l)}
	ready := make(chan string, 1)
	work := process.Work(a.counter)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- service.Run(ctx, service.Options{
			ID: process.Source, Handler: process.Handler(a.counter, nil, nil),
			Settings: service.Settings{
				Node: testbus.Node, BusURL: b.URL(), BusSeedFile: b.Seed(process.Source), Listen: "127.0.0.1:0", StopTimeout: 5 * time.Second,
			},
			Work: func(ctx context.Context, s *service.Service) error {
				ready <- "http://" + s.Address
				return work(ctx, s)
			},
		})
	}()
	stopped := false
	a.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("alpha ended: %v", err)
			}
		}
	}
	t.Cleanup(a.stop)
	select {
	case a.url = <-ready:
	case err := <-done:
		t.Fatalf("alpha did not start: %v", err)
	}
	wait(t, func() bool { status, _ := a.do("GET", "/health", "", ""); return status == 200 })
	return a
}

var client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// do sends one request.
func (a *alpha) do(method, path, kind, body string) (int, string) {
	r, err := http.NewRequest(method, a.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.t.Error(err)
		return 0, ""
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	answer, err := client.Do(r)
	if err != nil {
		a.t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Error(err)
	}
	return answer.StatusCode, string(text)
}

func (a *alpha) greet(name string) (int, process.Answer) {
	body, _ := json.Marshal(process.Request{Name: name})
	status, text := a.do("POST", "/greetings", "application/json", string(body))
	var got process.Answer
	if err := json.Unmarshal([]byte(text), &got); status == 201 && err != nil {
		a.t.Errorf("%s: %v", text, err)
	}
	return status, got
}

func (a *alpha) list() process.List {
	status, text := a.do("GET", "/greetings", "", "")
	var got process.List
	if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil {
		a.t.Errorf("%d %s: %v", status, text, err)
	}
	return got
}

// greeted lists alpha's facts on a bus.
func greeted(t *testing.T, b *testbus.Bus) []process.Greeted {
	t.Helper()
	var list []process.Greeted
	for r, err := range b.Connect(events.Operator).Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.DecodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != process.FactGreeted {
			continue
		}
		var g process.Greeted
		if err := json.Unmarshal(e.Data, &g); err != nil {
			t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
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
