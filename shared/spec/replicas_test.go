package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithReplicas(t *testing.T) {
	web := parse(t, "web.json", `{"id": "web", "displayName": "Web", "process": {"command": "x", "args": ["{replica}", "{service.id}"], "replicas": 2},
		"ports": {"primary": {"port": 0}}, "caddy": {"expose": true}, "dependencies": ["db"]}`)
	in := []Located{
		web, service(t, "db", ""),
		service(t, "proxy", `"dependencies": ["core.edge", {"service": "web", "condition": "started"}, "db"]`),
	}
	out := WithReplicas(in)
	if got := ids(out); got != "db proxy web-0 web-1" {
		t.Fatal(got)
	}
	if got, want := fmt.Sprint(out[1].Dependencies), "[core.edge web-0 (started) web-1 (started) db]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(in[2].Dependencies) != 3 || in[0].Process.Replicas != 2 {
		t.Error("the argument was changed")
	}
	for i, r := range out[2:] {
		if r.ReplicaOf != "web" || r.Replica != i || r.DisplayName != fmt.Sprintf("Web %d", i) || r.File != "web.json" {
			t.Errorf("%+v", r)
		}
		resolved, err := r.Resolve(vars)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(resolved.Process.Args, " "), fmt.Sprintf("%d web-%d", i, i); got != want {
			t.Errorf("arguments %s, want %s", got, want)
		}
		if got, want := resolved.Logging.Stdout, fmt.Sprintf("/core/local/logs/web-%d.log", i); got != want {
			t.Errorf("log file %s, want %s", got, want)
		}
		if got := r.PublicRoutes(); len(got) != 1 || got[0].Hosts[0] != "web.localhost" {
			t.Errorf("routes %+v", got)
		}
		if got, want := r.Errorf("process.args[1]", "", "x").Error(), "web.json:1:87: process.args[1]: x"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if out[2].Digest == out[3].Digest {
		t.Error("two replicas have one digest")
	}

	web.Process.Replicas = 12
	more := WithReplicas([]Located{web})
	if more[2].ID != "web-10" { // sorted by id, as everything is
		t.Errorf("%s", ids(more))
	}
	for _, r := range more {
		if r.ID == "web-1" && r.Digest != out[3].Digest {
			t.Error("the digest of a replica depends on how many there are")
		}
	}
	single := service(t, "a", "")
	if diff := cmp.Diff(single.Service, WithReplicas([]Located{single})[0].Service); diff != "" {
		t.Errorf("a service without replicas is another one:\n%s", diff)
	}
}

// Specs that Check refuses are made unique nevertheless.
func TestWithReplicasThatClash(t *testing.T) {
	a := parse(t, "a.json", `{"id": "a", "process": {"command": "x", "replicas": 2}}`)
	taken := service(t, "a-1", `"description": "its own"`)
	for _, specs := range [][]Located{{a, taken}, {taken, a}} {
		out := WithReplicas(specs)
		if ids(out) != "a-0 a-1" || out[1].Description != "its own" {
			t.Errorf("%s: %+v", ids(out), out[1])
		}
	}
	want := `a-1.json:1:8: id: "a-1" is the id of a replica of a already (a.json:1:53): want an id of its own`
	if err := Check([]Located{taken, a}); err == nil || err.Error() != want {
		t.Errorf("got:  %v\nwant: %s", err, want)
	}
	for _, id := range []string{"a-2", "a-01", "a-x", "a-", "b-1"} {
		if err := Check([]Located{service(t, id, ""), a}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	// A replica of a replica's name.
	nested := parse(t, "b.json", `{"id": "a-1", "process": {"command": "x", "replicas": 2}}`)
	if out := WithReplicas([]Located{a, nested}); ids(out) != "a-0 a-1 a-1-0 a-1-1" {
		t.Errorf("%s", ids(out))
	}
}

func TestCheckConditions(t *testing.T) {
	oneshot := parse(t, "job.json", `{"id": "job", "process": {"type": "oneshot", "command": "x"}}`)
	ready := parse(t, "warm.json", `{"id": "warm", "process": {"type": "oneshot", "command": "x"}, "health": {"readiness": {"type": "log", "pattern": "x"}}}`)
	db := service(t, "db", "")
	for name, c := range map[string]struct{ dependencies, want string }{
		"all that hold": {`{"service": "job", "condition": "completed"}, {"service": "db", "condition": "started"}, "warm", "core.bus"`, ""},
		"completed, of a service": {`{"service": "db", "condition": "completed"}`,
			`a.json:1:90: dependencies[0].condition: db is no oneshot: it is never completed: want "started" or "ready"`},
		"ready, of a oneshot": {`"core.bus", "job"`,
			`a.json:1:71: dependencies[1]: job is of type "oneshot" and has no health check: it is never ready: want the condition "completed", or "started"`},
	} {
		err := Check([]Located{service(t, "a", `"dependencies": [`+c.dependencies+`]`), oneshot, ready, db})
		if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
			t.Errorf("%s:\ngot:  %s\nwant: %s", name, got, c.want)
		}
	}
}
