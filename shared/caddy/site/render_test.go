package site

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

func open(id string, routes ...events.Route) Site {
	return Site{Service: events.Entity(id), Name: id, State: state.RouteOpen, Routes: routes}
}

func shut(id, reason string, routes ...events.Route) Site {
	return Site{Service: events.Entity(id), Name: id, State: state.RouteClosed, Routes: routes, Reason: reason}
}

func on(upstream string, hosts ...string) events.Route {
	return events.Route{Hosts: hosts, Upstreams: []string{upstream}}
}

func TestRender(t *testing.T) {
	hostile := shut("evil", "exit {env.HOME}\r\n<script>", events.Route{Hosts: []string{"evil.localhost"}})
	hostile.Name = `</title><script>alert(1)</script>{file./etc/passwd}\{http.request.uri}`
	for name, sites := range map[string][]Site{
		"empty": nil,
		"open":  {open("alpha", on("127.0.0.1:9001", "alpha.localhost"))},
		"closed": {
			shut("alpha", "starts again soon: exit status 1", events.Route{Hosts: []string{"alpha.localhost"}}),
		},
		"order": {
			open("any", events.Route{Upstreams: []string{"127.0.0.1:1"}}, events.Route{Paths: []string{"/any/"}, Upstreams: []string{"127.0.0.1:2"}}),
			open("exact", events.Route{Hosts: []string{"a.test", "*.test", "b.test"}, Paths: []string{"/x/", "/x/long/"}, Upstreams: []string{"127.0.0.1:3"}}),
			open("zoo", on("127.0.0.1:4", "a.test")),
		},
		"balanced": {open("alpha", events.Route{
			Hosts: []string{"alpha.localhost"}, Upstreams: []string{"127.0.0.1:1", "[::1]:2"},
			Health: &events.RouteHealth{Path: "/health", TimeoutMS: 250},
		})},
		"hostile": {hostile},
		"refused": {open("alpha", on("nowhere", "alpha.localhost"))},
	} {
		t.Run(name, func(t *testing.T) {
			routes, err := Routes(Options{}, Check(sites))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			for _, r := range routes {
				fmt.Fprintf(&b, "-- %s --\n", r.Service)
				if err := json.Indent(&b, r.JSON, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, name+".txt", b.Bytes())
		})
	}
	t.Run("config", func(t *testing.T) {
		c, err := Render(Options{Listen: "127.0.0.1:8080", Storage: "node/caddy", Node: "local"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := json.Indent(&b, c, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, "config.json", b.Bytes())
	})
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}

func TestRoutesAreDeterministic(t *testing.T) {
	var sites []Site
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		sites = append(sites, open(id, on("127.0.0.1:1", id+".test"), events.Route{Hosts: []string{"all.test"}, Paths: []string{"/" + id + "/"}, Upstreams: []string{"127.0.0.1:2"}}))
	}
	first, err := Routes(Options{}, Check(sites))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := Routes(Options{}, Check(slices.Clone(sites)))
		if err != nil || !cmp.Equal(first, again) {
			t.Fatalf("other routes for the same sites (%v)", err)
		}
	}
}

func TestPage(t *testing.T) {
	s := shut("x", "exited: 1 <b>\r\nfaked: line")
	s.Name = `<script>alert("x")</script>`
	html, text := closed(s).HTML(), closed(s).Text()
	for _, bad := range []string{"<script>", "<b>"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q:\n%s", bad, html)
		}
	}
	want := "<script>alert(\"x\")</script> is not available\n" +
		"The service is known here, but it does not take requests at the moment.\n" +
		"State: exited: 1 <b>  faked: line\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(html, "http://") || strings.Contains(html, "https://") {
		t.Error("the page loads something from elsewhere")
	}
}
