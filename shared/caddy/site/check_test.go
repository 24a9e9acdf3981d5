package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestCheckRefuses(t *testing.T) {
	up := []string{"127.0.0.1:9001"}
	many := make([]events.Route, maxRoutes+1)
	for _, c := range []struct {
		name   string
		routes []events.Route
		want   string // empty: served
	}{
		{"fine", []events.Route{on(up[0], "a.localhost")}, ""},
		{"wildcard", []events.Route{on(up[0], "*.a.localhost")}, ""},
		{"address as host", []events.Route{on(up[0], "127.0.0.1", "::1")}, ""},
		{"any host", []events.Route{{Upstreams: up}}, ""},
		{"root path", []events.Route{{Paths: []string{"/"}, Upstreams: up}}, ""},
		{"upstream by name", []events.Route{on("db-1.internal:80", "a.test")}, ""},
		{"port in host", []events.Route{on(up[0], "a.localhost:80")}, `"a.localhost:80" is no host`},
		{"placeholder in host", []events.Route{on(up[0], "{env.HOME}")}, `"{env.HOME}" is no host`},
		{"empty host", []events.Route{on(up[0], "")}, `"" is no host`},
		{"inner wildcard", []events.Route{on(up[0], "a.*.test")}, `"a.*.test" is no host`},
		{"not ASCII", []events.Route{on(up[0], "bücher.test")}, `"bücher.test" is no host`},
		{"long host", []events.Route{on(up[0], strings.Repeat("a.", 127))}, "…\" is no host"},
		{"relative path", []events.Route{{Paths: []string{"x"}, Upstreams: up}}, `the path "x" does not begin with /`},
		{"wildcard path", []events.Route{{Paths: []string{"/x/*"}, Upstreams: up}}, `"/x/*" is no path prefix`},
		{"placeholder path", []events.Route{{Paths: []string{"/{file./etc/passwd}"}, Upstreams: up}}, "is no path prefix"},
		{"own path", []events.Route{{Paths: []string{"/.CORE/health"}, Upstreams: up}}, "the paths below /.core/ are the edge's own"},
		{"no upstream", []events.Route{{Hosts: []string{"a.test"}}}, "has no upstream"},
		{"upstream without port", []events.Route{on("127.0.0.1", "a.test")}, `the upstream "127.0.0.1" is no host:port`},
		{"upstream port 0", []events.Route{on("127.0.0.1:0", "a.test")}, "is no host:port"},
		{"upstream port too high", []events.Route{on("127.0.0.1:65536", "a.test")}, "is no host:port"},
		{"socket upstream", []events.Route{on("unix//run/docker.sock", "a.test")}, "is no host:port"},
		{"socket with port", []events.Route{on("unix//run/docker.sock:1", "a.test")}, "is no host:port"},
		{"placeholder upstream", []events.Route{on("{env.X}:80", "a.test")}, "is no host:port"},
		{"same upstream twice", []events.Route{{Hosts: []string{"a.test"}, Upstreams: []string{up[0], up[0]}}}, "is there twice"},
		{"same host twice", []events.Route{on(up[0], "a.test", "A.test")}, "a.test is there twice"},
		{"health path", []events.Route{{Upstreams: up, Health: &events.RouteHealth{Path: "health"}}}, `the health check's path "health" is none`},
		{"health interval", []events.Route{{Upstreams: up, Health: &events.RouteHealth{Path: "/", IntervalMS: -1}}}, "negative duration"},
		{"many routes", many, "65 routes: at most 64 are allowed"},
		{"many hosts", []events.Route{{Hosts: make([]string, 65), Upstreams: up}}, "route 1 has a list of 65"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Check([]Site{open("x", c.routes...), open("y", on(up[0], "y.test"))})
			if got[1].State != state.RouteOpen {
				t.Errorf("the other site is %s: %s", got[1].State, got[1].Reason)
			}
			if c.want == "" && got[0].State != state.RouteOpen || !strings.Contains(got[0].Reason, c.want) {
				t.Errorf("%s %q, want %q", got[0].State, got[0].Reason, c.want)
			}
			if c.want != "" && (got[0].State != state.RouteRefused || got[0].Routes != nil) {
				t.Errorf("not refused: %+v", got[0])
			}
		})
	}
}

func TestCheckConflicts(t *testing.T) {
	sites := []Site{
		open("a", on("127.0.0.1:1", "a.test", "shared.test")),
		open("b", on("127.0.0.1:2", "b.test", "Shared.test")),
		open("c", on("127.0.0.1:3", "b.test")), // b is refused and keeps nothing
		open("d", events.Route{Hosts: []string{"shared.test"}, Paths: []string{"/d/"}, Upstreams: []string{"127.0.0.1:4"}}),
		shut("e", "stopped", events.Route{Hosts: []string{"shared.test"}, Paths: []string{"/D/"}}),
		open("f", events.Route{Upstreams: []string{"127.0.0.1:5"}}),
		open("g", events.Route{Upstreams: []string{"127.0.0.1:6"}}),
	}
	var got []string
	for _, s := range Check(sites) {
		got = append(got, fmt.Sprintf("%s %s %s", s.Service, s.State, s.Reason))
	}
	want := []string{
		"a open ",
		"b refused service a already has shared.test: give one of them another host",
		"c open ",
		"d open ",
		"e refused service d already has shared.test with path /d/*: give one of them another host",
		"f open ",
		"g refused service f already has any host: give one of them another host",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sites[1].Routes[0].Hosts[1] != "Shared.test" {
		t.Error("Check wrote into its argument")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("a.test", "/x/", "127.0.0.1:1", "/health")
	f.Add("*", "//", "[::1%25]:1", "/%zz")
	f.Fuzz(func(t *testing.T, host, path, upstream, health string) {
		r := events.Route{Hosts: []string{host}, Paths: []string{path}, Upstreams: []string{upstream}, Health: &events.RouteHealth{Path: health}}
		s := Check([]Site{open("x", r)})[0]
		if s.State == state.RouteRefused {
			return
		}
		for _, pattern := range []string{host, path, upstream, health} {
			if strings.ContainsAny(pattern, "{}\n ") {
				t.Errorf("%q was let through", pattern)
			}
		}
		if _, err := Routes(Options{}, []Site{s}); err != nil {
			t.Error(err)
		}
	})
}
