package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func service(id string, s state.ServiceState, h state.Health, reason string) state.Service {
	v := state.Service{
		ID: events.Entity(id), State: s, Health: h, Reason: reason,
		Registered: events.ServiceRegistered{Name: strings.ToUpper(id), Routes: []events.Route{{Hosts: []string{id + ".test"}}}},
	}
	if s == state.ServiceRunning {
		v.Routes = []events.Route{on("127.0.0.1:1", id+".test")}
	}
	return v
}

func show(sites []Site) []string {
	var list []string
	for _, s := range sites {
		var ups []string
		for _, r := range s.Routes {
			ups = append(ups, r.Upstreams...)
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %q %s %v %s", s.Service, s.Name, s.State, ups, s.Reason)))
	}
	return list
}

func TestDecide(t *testing.T) {
	s := state.New("n")
	hidden := service("hidden", state.ServiceRunning, state.HealthHealthy, "")
	hidden.Registered.Routes = nil
	mute := service("mute", state.ServiceRunning, state.HealthHealthy, "")
	mute.Routes = nil
	unnamed := service("unnamed", state.ServiceIdle, state.HealthUnknown, "")
	unnamed.Registered.Name = ""
	for _, v := range []state.Service{
		hidden, mute, unnamed,
		service("up", state.ServiceRunning, state.HealthHealthy, ""),
		service("new", state.ServiceRunning, state.HealthUnknown, ""),
		service("sick", state.ServiceRunning, state.HealthUnhealthy, "status 500"),
		service("toobusy", state.ServiceRunning, state.HealthUnready, "status 503"),
		service("waits", state.ServiceWaiting, state.HealthUnknown, "for up"),
		service("starts", state.ServiceStarting, state.HealthUnknown, ""),
		service("stops", state.ServiceStopping, state.HealthUnknown, "asked to"),
		service("gone", state.ServiceExited, state.HealthUnknown, "exit status 1"),
		service("crashed", state.ServiceBackoff, state.HealthUnknown, "exit status 1"),
		service("broken", state.ServiceFailed, state.HealthUnknown, "5 crashes"),
		service("done", state.ServiceCompleted, state.HealthUnknown, ""),
		service("stopped", state.ServiceStopped, state.HealthUnknown, ""),
	} {
		s.Services[v.ID] = v
	}
	want := []string{
		`broken "BROKEN" closed [] failed: 5 crashes`,
		`crashed "CRASHED" closed [] starts again soon: exit status 1`,
		`done "DONE" closed [] completed`,
		`gone "GONE" closed [] exited: exit status 1`,
		`mute "MUTE" closed [] it did not say where it listens`,
		`new "NEW" closed [] starting`,
		`sick "SICK" closed [] unhealthy: status 500`,
		`starts "STARTS" closed [] starting`,
		`stopped "STOPPED" closed [] stopped`,
		`stops "STOPS" closed [] stopping: asked to`,
		`toobusy "TOOBUSY" closed [] not ready: status 503`,
		`unnamed "unnamed" closed [] not started`,
		`up "UP" open [127.0.0.1:1]`,
		`waits "WAITS" closed [] waiting: for up`,
	}
	if diff := cmp.Diff(want, show(Decide(s))); diff != "" {
		t.Error(diff)
	}
}

func TestHold(t *testing.T) {
	a, b, c := open("a", on("127.0.0.1:1", "a.test")), open("b", on("127.0.0.1:2", "b.test")), shut("c", "stopped", events.Route{Hosts: []string{"c.test"}})
	before := []Site{a, b, c}
	closedB := shut("b", "not started", events.Route{Hosts: []string{"b.test"}})
	movedA := open("a", on("127.0.0.1:9", "a.test"))
	released := map[events.Entity]bool{}
	for _, step := range []struct {
		now  []Site
		want []string
	}{
		{nil, show(before)}, // the new log is empty
		{[]Site{closedB}, show(before)},
		{[]Site{movedA, closedB}, show([]Site{movedA, b, c})},
		{[]Site{movedA, b}, show([]Site{movedA, b, c})},
		{[]Site{movedA, closedB}, show([]Site{movedA, closedB, c})}, // b has been told: this is news
		{[]Site{closedB}, show([]Site{closedB, c})},                 // so is that a is gone
	} {
		if diff := cmp.Diff(step.want, show(Hold(before, step.now, released))); diff != "" {
			t.Errorf("now %v (-want +got):\n%s", show(step.now), diff)
		}
	}
}
