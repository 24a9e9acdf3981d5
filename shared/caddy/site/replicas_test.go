package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// replica is a site of web-<i>, open where port is not 0.
func replica(i, port int, reason string, hosts ...string) Site {
	s := shut(fmt.Sprint("web-", i), reason, events.Route{Hosts: hosts})
	if port > 0 {
		s = open(string(s.Service), on(fmt.Sprint("127.0.0.1:", port), hosts...))
	}
	s.Name, s.Group = fmt.Sprint("Web ", i), "web"
	return s
}

func TestReplicasShareTheirRoutes(t *testing.T) {
	for _, c := range []struct {
		name  string
		sites []Site
		want  []string
	}{
		{
			"all of them", []Site{replica(0, 1, "", "w.test"), replica(1, 2, "", "w.test"), replica(2, 3, "", "W.test")},
			[]string{"web [web-0 web-1 web-2] open w.test [127.0.0.1:1 127.0.0.1:2 127.0.0.1:3]"},
		},
		{
			"one is down", []Site{replica(0, 0, "exited", "w.test"), replica(1, 2, "", "w.test"), replica(2, 3, "", "w.test")},
			[]string{"web [web-0 web-1 web-2] open w.test [127.0.0.1:2 127.0.0.1:3]"},
		},
		{
			"all are down", []Site{replica(0, 0, "exited", "w.test"), replica(1, 0, "starting", "w.test")},
			[]string{"web [web-0 web-1] closed w.test [] Web: web-0 exited; web-1 starting"},
		},
		{
			"many are down", []Site{replica(0, 0, "a", "w.test"), replica(1, 0, "b", "w.test"), replica(2, 0, "c", "w.test"), replica(3, 0, "d", "w.test"), replica(4, 0, "e", "w.test")},
			[]string{"web [web-0 web-1 web-2 web-3 web-4] closed w.test [] Web: web-0 a; web-1 b; web-2 c; and 2 more"},
		},
		{
			"a host of its own", []Site{replica(0, 1, "", "zero.test"), replica(1, 2, "", "w.test"), replica(2, 3, "", "w.test")},
			[]string{"web [web-0] open zero.test [127.0.0.1:1]", "web [web-1 web-2] open w.test [127.0.0.1:2 127.0.0.1:3]"},
		},
		{
			"a stranger has the host", []Site{open("app", on("127.0.0.1:9", "w.test")), replica(0, 1, "", "w.test"), replica(1, 2, "", "w.test")},
			[]string{"app [app] open w.test [127.0.0.1:9]"},
		},
		{
			"a stranger wants the host", []Site{replica(0, 1, "", "w.test"), replica(1, 2, "", "w.test"), open("zoo", on("127.0.0.1:9", "w.test"))},
			[]string{"web [web-0 web-1] open w.test [127.0.0.1:1 127.0.0.1:2]"},
		},
	} {
		var got []string
		for _, e := range expand(Check(c.sites)) {
			line := fmt.Sprintf("%s %s %s %s %s", e.site.Service, e.services, e.site.State, strings.Join(e.hosts, " "), e.upstreams)
			if e.site.State == state.RouteClosed {
				line += " " + e.site.Name + ": " + e.site.Reason
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Decide knows replicas by what procd said of them, and a name without a number
// of its own stays.
func TestDecideKnowsReplicas(t *testing.T) {
	s := state.New("n")
	for i, name := range []string{"Web 0", "web-1"} {
		v := service(fmt.Sprint("web-", i), state.ServiceRunning, state.HealthHealthy, "")
		v.Registered.ReplicaOf, v.Registered.Name = "web", name
		s.Services[v.ID] = v
	}
	var got []string
	for _, v := range Decide(s) {
		got = append(got, fmt.Sprintf("%s of %s, %q", v.Service, v.Group, v.shared()))
	}
	if diff := cmp.Diff([]string{`web-0 of web, "Web"`, `web-1 of web, "web"`}, got); diff != "" {
		t.Error(diff)
	}
}
