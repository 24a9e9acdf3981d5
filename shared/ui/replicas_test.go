package ui

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Replicas stand together, by number; what is done to all of them can be done
// where it can be done to one.
func TestReplicasStandTogether(t *testing.T) {
	l := &teller{t: t, s: state.New("local")}
	l.tell(events.Caddyd, "caddyd", events.DaemonReady{PID: 1, Addresses: map[string]string{"http": "127.0.0.1:8080"}})
	route := events.Route{Hosts: []string{"web.localhost"}}
	for _, i := range []int{10, 2, 0} {
		id := events.Entity(fmt.Sprint("web-", i))
		open := route
		open.Upstreams = []string{fmt.Sprint("127.0.0.1:90", i)}
		l.tell(events.Procd, id, events.ServiceRegistered{Name: string(id), Digest: "d", ReplicaOf: "web", Routes: []events.Route{route}},
			events.ServiceDesired{Enabled: true, Running: true})
		if i == 2 {
			l.tell(events.Caddyd, id, events.RouteClosed{Routes: []events.Route{route}, Reason: "starting"})
			continue
		}
		l.tell(events.Procd, id, events.ServiceStarting{Instance: "i"}, events.ServiceStarted{Instance: "i", PID: i + 1, Routes: []events.Route{open}}, events.ServiceHealthy{Instance: "i"})
		l.tell(events.Caddyd, id, events.RouteOpened{Routes: []events.Route{open}})
	}
	l.tell(events.Procd, "web-user", events.ServiceRegistered{Name: "u", Digest: "d"})
	p := Build(l.s, Options{Now: began})
	var got []string
	for _, v := range p.Services {
		got = append(got, fmt.Sprintf("%s of %s", v.ID, v.Group))
	}
	if diff := cmp.Diff([]string{"web-0 of web", "web-2 of web", "web-10 of web", "web-user of "}, got); diff != "" {
		t.Error(diff)
	}
	if len(p.Groups) != 1 || p.Groups[0].ID != "web" || p.Groups[0].State != (Badge{"2 of 3 healthy", Warn}) || len(p.Groups[0].Replicas) != 3 {
		t.Errorf("%+v", p.Groups)
	}
	if len(p.Routes) != 1 || p.Routes[0].Service != "web" || p.Routes[0].State.Text != "open" ||
		!cmp.Equal(p.Routes[0].Upstreams, []string{"127.0.0.1:900", "127.0.0.1:9010"}) {
		t.Errorf("%+v", p.Routes)
	}
	for id, want := range map[ActionID]bool{ActionStart: false, ActionStop: true, ActionRestart: true, ActionEnable: false} {
		a, _ := Find(id)
		if ok, reason := a.Enabled(l.s, "web"); ok != want {
			t.Errorf("%s of web: %t %s", id, ok, reason)
		}
	}
}

// A cron job says when it runs next, and that its last run failed.
func TestCronRow(t *testing.T) {
	l := &teller{t: t, s: state.New("local")}
	l.tell(events.Procd, "job", events.ServiceRegistered{Name: "Job", Digest: "d", Type: "cron", Schedule: "@daily"},
		events.ServiceDesired{Enabled: true, Running: true}, events.ServiceScheduled{Next: began.Add(2 * time.Hour)})
	row := Build(l.s, Options{Now: began}).Services[0]
	if want := "runs 2026-03-01 14:00:00 UTC, in 2h 0m"; row.Reason != want || row.State != (Badge{"scheduled", Idle}) {
		t.Errorf("%q %+v, want %q", row.Reason, row.State, want)
	}
	a, _ := Find(ActionStart)
	if ok, reason := a.Enabled(l.s, "job"); !ok {
		t.Errorf("it cannot be started: %s", reason)
	}
	l.tell(events.Procd, "job", events.ServiceScheduled{Next: began.Add(2 * time.Hour), Reason: "exit status 3"})
	p := Build(l.s, Options{Now: began})
	if want := "the last run failed: exit status 3; runs 2026-03-01 14:00:00 UTC, in 2h 0m"; p.Services[0].Reason != want || p.Services[0].State.Tone != Bad {
		t.Errorf("%q %+v, want %q", p.Services[0].Reason, p.Services[0].State, want)
	}
	if p.Node.Summary != "0 of 1 services healthy" {
		t.Error(p.Node.Summary)
	}
}
