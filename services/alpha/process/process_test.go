package process_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"core.internal/services/alpha/process"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

func TestAPI(t *testing.T) {
	b := testbus.Start(t, process.Source)
	a := run(t, b, process.Limits{Names: 3})
	const json = "application/json"
	tests := []struct {
		method, path, kind, body string
		status                   int
		want                     string
	}{
		{"GET", "/greetings", "", "", 200, `{"total":0,"names":[]}`},
		{"POST", "/greetings", json, `{"name":" Ada "}`, 201, `{"greeting":"Hello, Ada!","name":"Ada","count":1,"total":1}`},
		{"POST", "/greetings", json, `{"name":"Ada"}`, 201, `"count":2,"total":2`},
		{"POST", "/greetings", json, `{"name":"José <b>"}`, 201, `"count":1,"total":3`},
		{"POST", "/greetings", json, `{"name":""}`, 400, `field \"name\": empty`},
		{"POST", "/greetings", json, `{}`, 400, `field \"name\": empty`},
		{"POST", "/greetings", json, `{"name":"a\u001b[2J"}`, 400, "cannot be printed"},
		{"POST", "/greetings", json, `{"name":"` + strings.Repeat("x", 65) + `"}`, 400, "65 bytes: at most 64"},
		{"POST", "/greetings", json, `{"name":"` + strings.Repeat("x", 5000) + `"}`, 413, "longer than 4096 bytes"},
		{"POST", "/greetings", json, `{"nam":"Ada"}`, 400, "unknown field"},
		{"POST", "/greetings", "text/plain", `{"name":"Ada"}`, 415, "application/json"},
		{"PUT", "/greetings", json, `{}`, 405, "POST adds one"},
		{"GET", "/nowhere", "", "", 404, "see /greetings"},
		{"POST", "/greetings", json, `{"name":"Bob"}`, 201, `"total":4`},
		{"POST", "/greetings", json, `{"name":"Eve"}`, 409, "alpha remembers 3"},
		{"POST", "/greetings", json, `{"name":"Bob"}`, 201, `"total":5`},
		{"GET", "/greetings", "", "", 200, `{"total":5,"names":[{"name":"Ada","count":2},{"name":"Bob","count":2},{"name":"José \u003cb\u003e","count":1}]}`},
	}
	for _, tt := range tests {
		status, body := a.Do(tt.method, tt.path, tt.kind, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %.80s: %d %s\nwant %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
	}
	want := "Ada 1 1, Ada 2 2, José <b> 1 3, Bob 1 4, Bob 2 5"
	testproc.Eventually(t, "the facts are "+want, func() bool {
		var list []string
		for _, g := range greeted(t, b) {
			list = append(list, fmt.Sprintf("%s %d %d", g.Name, g.Count, g.Total))
		}
		return strings.Join(list, ", ") == want
	})
}

func TestNoGreetingIsLostAmongMany(t *testing.T) {
	b := testbus.Start(t, process.Source)
	// Two processes share the bucket, as when one replaces the other.
	both := []*alpha{run(t, b, process.Limits{}), run(t, b, process.Limits{})}
	const each, names = 60, 4
	var all sync.WaitGroup
	for _, a := range both {
		for n := range names {
			all.Go(func() {
				for range each {
					if status, got := a.greet(fmt.Sprint("name", n)); status != 201 {
						t.Errorf("%d %+v", status, got)
					}
				}
			})
		}
	}
	all.Wait()
	// One more at each makes both know of the other's last.
	both[0].greet("last")
	both[1].greet("last")
	got := both[1].list()
	if want := 2*each*names + 2; got.Total != want {
		t.Errorf("counted %d of %d greetings: %+v", got.Total, want, got)
	}
	for _, g := range got.Names {
		if g.Name != "last" && g.Count != 2*each {
			t.Errorf("%s was counted %d times, want %d", g.Name, g.Count, 2*each)
		}
	}
}

func TestCountSurvivesAlpha(t *testing.T) {
	b := testbus.Start(t, process.Source)
	a := run(t, b, process.Limits{})
	a.greet("Ada")
	a.greet("Ada")
	a.stop()
	again := run(t, b, process.Limits{})
	if got := again.list(); got.Total != 2 {
		t.Errorf("after a restart: %+v", got)
	}
	if _, got := again.greet("Ada"); got.Count != 3 || got.Total != 3 {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestCountSurvivesTheBus(t *testing.T) {
	b := testbus.Start(t, process.Source)
	a := run(t, b, process.Limits{})
	a.greet("Ada")
	a.greet("Ada")
	a.greet("Bob")
	b.Down()
	if got := a.list(); got.Total != 3 {
		t.Errorf("without a bus: %+v", got)
	}
	b.Up()
	// Written back and stated again without anybody asking.
	testproc.Eventually(t, "both facts are there again", func() bool { return len(greeted(t, b)) == 2 })
	for _, g := range greeted(t, b) {
		if want := map[string]int{"Ada": 2, "Bob": 1}[g.Name]; g.Count != want || g.Total != 3 {
			t.Errorf("stated again: %+v", g)
		}
	}
	a.stop()
	again := run(t, b, process.Limits{})
	if _, got := again.greet("Ada"); got.Count != 3 || got.Total != 4 {
		t.Errorf("after both were away: %+v", got)
	}
}

func TestGreetingsAcrossALostBus(t *testing.T) {
	b := testbus.Start(t, process.Source)
	a := run(t, b, process.Limits{})
	var mu sync.Mutex
	counted, unknown := 0, 0
	ends := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-ends:
					return
				default:
				}
				status, _ := a.greet("Ada")
				mu.Lock()
				switch status {
				case 201:
					counted++
				case 503:
					unknown++
				default:
					t.Errorf("status %d", status)
				}
				mu.Unlock()
			}
		})
	}
	some := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return counted >= n }
	}
	testproc.Eventually(t, "20 are counted", some(20))
	b.Restart()
	mu.Lock()
	before := counted
	mu.Unlock()
	testproc.Eventually(t, "20 more are counted", some(before+20))
	close(ends)
	all.Wait()
	got := a.list()
	if got.Total < counted || got.Total > counted+unknown {
		t.Errorf("%d were told that they were counted and %d that they may not have been: the count is %d", counted, unknown, got.Total)
	}
}

func TestWithoutABusGreetingsAreRefusedInTime(t *testing.T) {
	b := testbus.Start(t, process.Source)
	a := run(t, b, process.Limits{})
	a.greet("Ada")
	b.Down()
	status, body := a.Do("POST", "/greetings", "application/json", `{"name":"Ada"}`)
	if status != 503 || !strings.Contains(body, "may not have been counted") {
		t.Errorf("%d %s", status, body)
	}
}
