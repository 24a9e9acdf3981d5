package e2e

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"core.internal/ci/harness"
	"core.internal/shared/boot"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testbus.Clock()) }

func healthy(id events.Entity) func(state.State) bool {
	return func(s state.State) bool {
		return s.Services[id].State == state.ServiceRunning && s.Services[id].Health == state.HealthHealthy
	}
}

// Every stage of the graph is ready, in order, and every daemon said so.
func TestStages(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{})
	s := n.Wait("every stage is ready", func(s state.State) bool { return s.Stages["shells"].State == state.StageReady })
	for i, name := range boot.Stages() {
		stage := s.Stages[events.Entity(name)]
		if stage.State != state.StageReady || stage.Index != i+1 {
			t.Errorf("stage %s is %s with index %d, want ready with %d", name, stage.State, stage.Index, i+1)
		}
	}
	for _, d := range []events.Source{events.Busd, events.Procd, events.Pipelined} {
		if !s.Ready[d].Ready {
			t.Errorf("%s has not said that it is ready", d)
		}
	}
}

// Services start in dependency order and can be operated.
func TestOperate(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Profiles: []string{"default"}})
	n.Wait("alpha is healthy", healthy("alpha"))
	n.Wait("beta is healthy", healthy("beta"))
	alpha, beta := -1, -1
	for i, e := range n.Facts() {
		if e.Type == (events.ServiceHealthy{}).EventType() && e.Entity == "alpha" && alpha < 0 {
			alpha = i
		}
		if e.Type == (events.ServiceStarting{}).EventType() && e.Entity == "beta" && beta < 0 {
			beta = i
		}
	}
	if alpha < 0 || beta < alpha {
		t.Errorf("beta began at fact %d, alpha was healthy at %d: beta depends on alpha", beta, alpha)
	}

	before := n.State().Services["alpha"].Instance
	if o := n.Command("alpha", events.RestartService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("restart alpha: %+v", o)
	}
	if s := n.Wait("alpha is healthy again", healthy("alpha")); s.Services["alpha"].Instance == before {
		t.Error("restart kept the instance")
	}
	if o := n.Command("alpha", events.StopService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("stop alpha: %+v", o)
	}
	if s := n.State().Services["alpha"]; s.PID != 0 || s.State != state.ServiceStopped {
		t.Errorf("after stop: %+v", s)
	}
	if o := n.Command("alpha", events.StartService{}); o.State != state.OutcomeCompleted {
		t.Fatalf("start alpha: %+v", o)
	}
	if o := n.Command("gamma", events.StartService{}); o.State != state.OutcomeRejected {
		t.Errorf("start an unknown service: %+v, want rejected", o)
	}
}

// Two boots state the same facts.
func TestTranscript(t *testing.T) {
	t.Parallel()
	var first []string
	for i := range 3 {
		n := harness.Start(t, harness.Options{Profiles: []string{"default"}})
		transcript := events.Transcript(n.Facts())
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = transcript
		}
		if !slices.Equal(first, transcript) {
			t.Fatalf("boot %d:\n%v\nfirst:\n%v", i+1, transcript, first)
		}
	}
}

// What the launcher folds live is what a replay of the log folds, byte for byte.
func TestReplay(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Profiles: []string{"default"}})
	n.Command("beta", events.RestartService{})
	live := n.State()
	replayed := state.New(n.Config.Name)
	for r, err := range n.Operator().Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Seq <= live.Seq {
			replayed = state.Apply(replayed, r)
		}
	}
	a, err := state.EncodeSnapshot(live)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.EncodeSnapshot(replayed)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("live:\n%s\nreplayed:\n%s", a, b)
	}
}
