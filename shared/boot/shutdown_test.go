package boot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testnode"
)

// A shutdown that is asked for is accepted once, says what it waits for, and has
// its outcome before the bus goes.
func TestShutdown(t *testing.T) {
	t.Parallel()
	var w watched
	release := make(chan struct{})
	n := harness.Start(t, harness.Options{
		Boot: w.options, Config: onDisk,
		Daemons: testnode.Daemons(testnode.Procd{
			Services: []testnode.Service{testnode.Healthy("beta"), testnode.Healthy("alpha"), testnode.Failing("gamma", "no")},
			Drain: func(ctx context.Context) error {
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil
			},
		}),
	})
	want := func(o state.Outcome, st state.OutcomeState, reason string) {
		t.Helper()
		if o.State != st || o.Reason != reason {
			t.Errorf("%s: %s %q, want %s %q", o.Verb, o.State, o.Reason, st, reason)
		}
	}
	want(n.Request(events.Launcher, events.NodeEntity, events.StopService{}), state.OutcomeRejected, `the launcher does not know "stop"`)

	id, err := n.Operator().Send(t.Context(), events.CommandAddress{Node: n.Config.Name, Target: events.Launcher, Entity: events.NodeEntity}, events.ShutdownNode{})
	if err != nil {
		t.Fatal(err)
	}
	w.Await(t, "6/7 services progress: shutdown held by alpha, beta\n")
	if o, _ := n.State().Outcome(id); o.State != state.OutcomeAccepted {
		t.Errorf("the first request: %+v", o)
	}
	want(n.Request(events.Launcher, events.NodeEntity, events.ShutdownNode{}), state.OutcomeRejected, "the node is already going down")
	close(release)
	if err := n.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if got := w.stages(); !slices.Equal(got, whole()) {
		t.Errorf("told\n%s", strings.Join(got, "\n"))
	}
	var outcome []events.Type
	for _, e := range testnode.Stored(t, n.Config) {
		if e.Cause == id {
			outcome = append(outcome, e.Type)
		}
	}
	if want := []events.Type{"command.accepted", "command.completed"}; !slices.Equal(outcome, want) {
		t.Errorf("the request's facts: %v, want %v", outcome, want)
	}
}

// Services that cannot be stopped do not keep the node from going down.
func TestDrainFails(t *testing.T) {
	t.Parallel()
	var w watched
	n := harness.Start(t, harness.Options{Boot: w.options, Daemons: testnode.Daemons(testnode.Procd{
		Services: []testnode.Service{testnode.Healthy("alpha")},
		Drain:    func(context.Context) error { return errors.New("alpha clings") },
	})})
	if err := n.Stop(); err == nil || err.Error() != "take down stage services: stop the services: alpha clings" {
		t.Errorf("ended with %v", err)
	}
	if got := w.stages(); !slices.Equal(got, whole()) {
		t.Errorf("told\n%s", strings.Join(got, "\n"))
	}
}
