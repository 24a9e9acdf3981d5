package boot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"core.internal/shared/boot"
	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
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

// A boot that a stage holds up ends at once when somebody takes the node down.
func TestShutdownWhileComingUp(t *testing.T) {
	t.Parallel()
	never := testnode.Idle(events.Pipelined)
	never.Run = func(ctx context.Context, _ *daemon.Daemon) error {
		<-ctx.Done()
		return nil
	}
	starting := func(s testnode.Service) testnode.Service {
		s.Facts = s.Facts[:1]
		return s
	}
	held := []testnode.Service{starting(testnode.Healthy("alpha")), starting(testnode.Required(testnode.Healthy("beta")))}
	for stage, daemons := range map[string][]daemon.Definition{
		"pipelines": {testnode.Busd(), testnode.Procd{}.Definition(), never},
		"services":  {testnode.Busd(), testnode.Procd{Services: held}.Definition(), testnode.Pipelined()},
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			i := slices.Index(boot.Stages(), stage) + 1
			var layout config.Layout
			reached := make(chan struct{})
			asked := make(chan error, 1)
			go func() {
				<-reached
				asked <- takeDown(t.Context(), layout)
			}()
			failure, w, n := fails(t, harness.Options{
				Daemons: daemons,
				Config:  func(c *config.Node) { onDisk(c); c.StageTimeout, layout = time.Hour, c.Layout() },
				Boot: func(o *boot.Options) {
					tell := o.Progress
					o.Progress = func(e boot.Event) {
						if tell(e); e.Index == i && e.State == boot.Starting {
							close(reached)
						}
					}
				},
			})
			if err := <-asked; err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("stage %s: it was taken down while it came up", stage); failure.Error() != want {
				t.Errorf("got %q, want %q", failure, want)
			}
			if got, want := w.stages(), until(i, failure); !slices.Equal(got, want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			var outcome []events.Type
			for _, e := range testnode.Stored(t, n.Config) {
				if e.Entity == events.NodeEntity && e.Source == events.Launcher {
					outcome = append(outcome, e.Type)
				}
			}
			if want := []events.Type{"command.accepted", "command.completed"}; !slices.Equal(outcome, want) {
				t.Errorf("the request's facts: %v, want %v", outcome, want)
			}
		})
	}
}

// takeDown asks the launcher of a node that comes up to take it down.
func takeDown(ctx context.Context, l config.Layout) error {
	f, err := config.ReadNodeFile(l)
	if err != nil {
		return err
	}
	c, err := bus.Connect(ctx, bus.Options{URL: f.BusURL, Name: string(events.Operator), Seed: l.Seed(events.Operator)})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Send(ctx, events.CommandAddress{Node: "test", Target: events.Launcher, Entity: events.NodeEntity}, events.ShutdownNode{})
	return err
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
