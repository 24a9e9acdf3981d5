package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestPlan(t *testing.T) {
	c := chaos{seed: 7, every: 100 * time.Millisecond, daemons: "procd,busd", rest: time.Second}
	first, err := plan(c, 50, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := plan(c, 50, time.Minute)
	c.seed = 8
	other, _ := plan(c, 50, time.Minute)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Error("a plan is its seed's")
	}
	count := map[string]int{}
	last := time.Duration(0)
	for _, k := range first {
		count[k.victim]++
		if k.at < last || k.at >= time.Minute || k.service < 0 || k.service >= 50 {
			t.Errorf("%+v after %s", k, last)
		}
		last = k.at
	}
	if count[oneService] < 400 || count[oneService] > 800 || count["procd"] < 10 || count["busd"] < 10 || len(count) != 3 {
		t.Errorf("killed %v", count)
	}
	for _, bad := range []chaos{{every: 1, rest: 1, daemons: "launcher"}, {every: 0, rest: 1}, {every: 1}} {
		if _, err := plan(bad, 1, time.Second); err == nil {
			t.Errorf("%+v is no plan", bad)
		}
	}
}

func TestHistory(t *testing.T) {
	i := func(pid int) instance { return instance{pid: pid, start: 1} }
	s := newSiege(&node{}, 4)
	s.seen = map[string]map[instance]bool{
		"s0": {i(1): true}, "s1": {i(2): true, i(3): true}, "s2": {i(4): true, i(5): true}, "s3": {i(6): true, i(7): true},
	}
	s.deaths = map[string]int{"s1": 1, "s2": 0, "s3": 1}
	s.double = map[string]string{"s0": "two"}
	var services []state.StatusService
	for n, restarts := range []int{0, 1, 0, 2} {
		services = append(services, state.StatusService{ID: events.Entity(serviceName(n)), Restarts: restarts})
	}
	got := strings.Join(s.history(state.Status{Services: services}), "\n")
	want := "s0 ran twice at once: two\ns2 was killed 0 times and had 2 processes\ns3 was killed 1 times and counts 2 restarts"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if sum := fmt.Sprint(s.restarts, s.instances, s.most); sum != "3 7 2" {
		t.Errorf("sums %s", sum)
	}
}
