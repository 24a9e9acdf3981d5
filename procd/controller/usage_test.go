package controller_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

// What a service that runs uses is on the bus, and who asked for what is in the
// fact that it was accepted.
func TestUsageIsPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"alpha": ""})
	r.inProcess()
	instance := r.serving("alpha").Services["alpha"].Instance
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found := errors.New("found")
	ctx, seen := context.WithCancelCause(ctx)
	err := r.op.WatchUsage(ctx, testbus.Node, events.Procd, func(u events.Usage) {
		if one, ok := u.Of("alpha", instance); ok && one.Processes > 0 && one.ResidentBytes > 0 && one.OpenFDs > 0 {
			seen(found)
		}
	})
	if !errors.Is(context.Cause(ctx), found) {
		t.Errorf("no usage of alpha: %v", err)
	}
	want(t, r.ask("alpha", events.RestartService{}), state.OutcomeCompleted, "")
	var by events.Source
	for rec, err := range r.op.Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e, err := events.DecodeRecord(rec); err == nil {
			if a, err := events.As[events.CommandAccepted](e); err == nil {
				by = a.By
			}
		}
	}
	if by != events.Operator {
		t.Errorf("accepted from %q, want %q", by, events.Operator)
	}
}
