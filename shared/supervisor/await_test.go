package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.fail["broken"] = errors.New("no memory")
		r.life["task"], r.exit["task"] = time.Second, process.Exit{}
		r.delay["alpha"] = 3 * time.Second
		n := begin(t, r, func(o *supervisor.Options) {
			o.Want = func(spec.Located) events.ServiceDesired { return events.ServiceDesired{} }
		})
		register(t, n, "alpha:", "beta: alpha", "broken:", "task:", "needy: broken", "lonely: core.edge")
		await := func(id events.Entity, g supervisor.Goal, want string) {
			t.Helper()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("too late"))
			defer cancel()
			got := ""
			if err := n.Await(ctx, id, g); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
		up, down := supervisor.Goal{Running: true}, supervisor.Goal{}
		await("alpha", down, "")
		await("alpha", up, "service alpha: a later request took its place")
		n.Desire("beta", true, "c1")
		await("beta", up, "service beta: waiting for alpha: not enabled")
		n.Desire("alpha", true, "c2")
		await("beta", up, "")
		n.Restart("alpha", "c3")
		await("alpha", supervisor.Goal{Running: true, Request: "c3"}, "")
		n.Restart("alpha", "c4")
		await("alpha", supervisor.Goal{Running: true, Request: "c3"}, "service alpha: a later request took its place")
		n.Desire("alpha", false, "c5")
		await("alpha", down, "")
		n.Desire("broken", true, "c6")
		await("broken", up, "service broken: could not be started 7 times within 3.1s (at most 6 in 1m0s): no memory")
		n.Desire("needy", true, "c7")
		await("needy", up, "service needy: waiting for broken: failed")
		n.Desire("task", true, "c8")
		await("task", up, "")
		n.Desire("lonely", true, "c9")
		await("lonely", up, "service lonely: waiting for core.edge: unknown")
		n.Condition("core.edge", false)
		await("lonely", up, "wait for service lonely: too late")
		await("nobody", up, "service nobody: it is not registered any more")
		n.Drain(t.Context(), "node is going down")
		await("beta", up, "service beta: node is going down")
	})
}
