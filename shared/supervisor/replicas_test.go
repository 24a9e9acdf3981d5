package supervisor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
)

// Each replica is a service of its own that says what it is of; who depends on
// the spec waits for all of them, and on a oneshot until it is completed.
func TestReplicasAndConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.life["job"], r.exit["job"] = time.Second, process.Exit{}
		r.life["web-1"], r.exit["web-1"] = time.Minute, process.Exit{Code: 1}
		n := begin(t, r, nil)
		var specs []spec.Located
		for _, text := range []string{
			`{"id": "job", "process": {"command": "x", "type": "oneshot"}}`,
			`{"id": "web", "process": {"command": "x", "replicas": 2}, "dependencies": [{"service": "job", "condition": "completed"}]}`,
			`{"id": "proxy", "process": {"command": "x"}, "dependencies": ["web"]}`,
		} {
			s, err := spec.ParseLocated("x.json", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			specs = append(specs, s)
		}
		if err := n.Register(t.Context(), spec.WithReplicas(specs)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, n.order("starting", "completed"), "job starting")
		<-time.After(time.Second)
		synctest.Wait()
		expect(t, n.order("starting", "completed"), "job starting", "job completed", "web-0 starting", "web-1 starting", "proxy starting")
		for id, of := range map[events.Entity]string{"web-0": "web", "web-1": "web", "job": "", "proxy": ""} {
			if v, ok := n.Service(id); !ok || v.Registered.ReplicaOf != of {
				t.Errorf("%s is registered %v, as a replica of %q, want %q", id, ok, v.Registered.ReplicaOf, of)
			}
		}
		// One replica ends without the other.
		<-time.After(time.Minute)
		synctest.Wait()
		expect(t, n.order("exited"), "job exited", "web-1 exited")
	})
}
