package process_test

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/testutil/testbus"

	"core.internal/services/alpha/process"
	"core.internal/shared/testutil/testservice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

// alpha is one running alpha.
type alpha struct {
	*testservice.Running
	t       *testing.T
	counter *process.Counter
}

// run runs alpha until it is healthy.
func run(t *testing.T, b *testbus.Bus, l process.Limits) *alpha {
	t.Helper()
	a := &alpha{t: t, counter: process.NewCounter(l)}
	a.Running = testservice.Run(t, service.Options{
		ID: process.Source, Settings: testservice.Settings(b, process.Source),
		Handler: process.Handler(a.counter, nil, nil), Work: process.Work(a.counter),
	})
	a.Healthy()
	return a
}

// stop ends alpha before its test ends.
func (a *alpha) stop() {
	if err := a.Stop(); err != nil {
		a.t.Errorf("alpha ended: %v", err)
	}
}

func (a *alpha) greet(name string) (int, process.Answer) {
	body, _ := json.Marshal(process.Request{Name: name})
	status, text := a.Do("POST", "/greetings", "application/json", string(body))
	var got process.Answer
	if err := json.Unmarshal([]byte(text), &got); status == 201 && err != nil {
		a.t.Errorf("%s: %v", text, err)
	}
	return status, got
}

func (a *alpha) list() process.List {
	status, text := a.Do("GET", "/greetings", "", "")
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
