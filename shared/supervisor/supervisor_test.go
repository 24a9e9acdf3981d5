package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/ports"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func register(t *testing.T, n *node, lines ...string) {
	t.Helper()
	if err := n.Register(t.Context(), services(t, lines...)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestStartsInDependencyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := begin(t, newScripted(), nil)
		register(t, n, "gamma: beta", "alpha: core.bus", "beta: alpha", "delta:")
		expect(t, n.order("started"), "delta started")
		n.Condition("core.bus", true)
		synctest.Wait()
		expect(t, n.order("started"), "delta started", "alpha started", "beta started", "gamma started")
		expect(t, n.told("beta"), "registered", "desired", "waiting: waiting for alpha: waiting", "starting", "started", "healthy")
		expect(t, n.told("gamma"), "registered", "desired", "waiting: waiting for beta: waiting", "starting", "started", "healthy")
		if err := n.Drain(t.Context(), "node is going down"); err != nil {
			t.Fatal(err)
		}
		expect(t, n.order("stopping"), "gamma stopping", "delta stopping", "beta stopping", "alpha stopping")
		expect(t, n.told("beta")[6:], "stopping: node is going down", "exited: 0, expected", "stopped: node is going down")
		n.Desire("alpha", true, "c1")
		synctest.Wait()
		if v, _ := n.Service("alpha"); v.State != state.ServiceStopped {
			t.Errorf("after a drain alpha is %s", v.State)
		}
	})
}

func TestGateHoldsWithoutWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := begin(t, newScripted(), func(o *supervisor.Options) { o.Gate = "stage" })
		register(t, n, "alpha:", "beta: alpha")
		expect(t, n.order("waiting", "starting"))
		n.Condition("stage", true)
		synctest.Wait()
		expect(t, n.told("beta"), "registered", "desired", "waiting: waiting for alpha: starting", "starting", "started", "healthy")
	})
}

func TestCrashBackoffAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.life["alpha"], r.exit["alpha"] = time.Millisecond, process.Exit{Code: 3, LastLines: []string{"oops"}}
		n := begin(t, r, nil)
		began := time.Now()
		register(t, n, "alpha:")
		v, err := n.WaitService(t.Context(), "alpha", func(v state.Service) bool { return v.State == state.ServiceFailed })
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 3100*time.Millisecond || took > 3200*time.Millisecond || r.count("alpha") != 7 {
			t.Errorf("failed after %v and %d starts", took, r.count("alpha"))
		}
		if want := "ended 7 times within 3.1s (at most 6 in 1m0s): exit status 3"; v.Reason != want || v.Restarts != 6 {
			t.Errorf("%d restarts, %q, want %q", v.Restarts, v.Reason, want)
		}
		told := n.told("alpha")
		expect(t, told[:12], "registered", "desired", "starting", "started", "healthy", "exited: 3",
			"starting", "started", "healthy", "exited: 3", "backed_off: exit status 3", "starting")

		<-time.After(time.Hour)
		if r.count("alpha") != 7 {
			t.Error("a failed service was started")
		}
		r.set(func() { delete(r.life, "alpha") })
		if err := n.Desire("alpha", true, "c1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v, _ = n.Service("alpha"); !v.Serving() || v.Answers != "c1" {
			t.Errorf("after a start of the failed service: %s, answers %q", v.State, v.Answers)
		}
	})
}

func TestHealthyUptimeForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.life["alpha"], r.exit["alpha"] = 11*time.Second, process.Exit{Code: -1, Signal: "SIGSEGV"}
		n := begin(t, r, nil)
		register(t, n, "alpha:")
		<-time.After(10 * time.Minute)
		if got := r.count("alpha"); got != 55 {
			t.Errorf("%d starts in ten minutes", got)
		}
		if slices.ContainsFunc(n.told("alpha"), func(s string) bool { return strings.HasPrefix(s, "backed_off") }) {
			t.Error("it backed off after healthy uptime")
		}
	})
}

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		policy string
		code   int
		want   []string
	}{
		{"never", 0, []string{"exited: 0", "completed"}},
		{"never", 1, []string{"exited: 1", "exhausted: exit status 1; its restart policy is never"}},
		{"on-failure", 0, []string{"exited: 0", "completed"}},
		{"on-failure", 1, []string{"exited: 1", "starting", "started", "healthy", "exited: 1", "backed_off: exit status 1"}},
		{"always", 0, []string{"exited: 0", "starting", "started", "healthy", "exited: 0", "backed_off: exit status 0"}},
	} {
		t.Run(fmt.Sprint(c.policy, " ", c.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newScripted()
				r.life["alpha"], r.exit["alpha"] = time.Millisecond, process.Exit{Code: c.code}
				n := begin(t, r, func(o *supervisor.Options) {
					o.Policy = func(spec.Located) process.Policy { return process.DefaultPolicy(spec.RestartPolicy(c.policy)) }
				})
				register(t, n, "alpha:")
				<-time.After(50 * time.Millisecond)
				expect(t, n.told("alpha")[5:], c.want...)
			})
		})
	}
}

func TestRestartReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.slow["alpha"] = time.Second
		n := begin(t, r, nil)
		register(t, n, "alpha:", "beta: alpha")
		if err := n.Restart("alpha", "c1"); err != nil {
			t.Fatal(err)
		}
		v, err := n.WaitService(t.Context(), "alpha", func(v state.Service) bool { return v.Answers == "c1" && v.Serving() })
		if err != nil || v.Restarts != 0 {
			t.Fatalf("%+v %v", v, err)
		}
		expect(t, n.told("alpha")[5:], "desired", "stopping: restart requested", "exited: 0, expected", "starting", "started", "healthy")
		expect(t, n.told("beta")[3:], "starting", "started", "healthy") // not touched

		if err := n.Restart("gamma", "c2"); err == nil || !strings.Contains(err.Error(), `service "gamma" is not registered`) {
			t.Errorf("restart of an unknown service: %v", err)
		}
	})
}

// A stop that comes while the instance is being started ends it, without it ever
// being stated as started.
func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.delay["alpha"] = time.Second
		n := begin(t, r, nil)
		register(t, n, "alpha:")
		if err := n.Desire("alpha", false, "c1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, n.told("alpha")[2:], "starting", "desired", "stopping: not wanted", "exited: stopped before it ran, expected", "stopped: not wanted")
		if r.count("alpha") != 0 {
			t.Error("it was started")
		}
	})
}

func TestStartThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"for good":  {fmt.Errorf("start: %w", fs.ErrNotExist), "exhausted: start: file does not exist"},
		"for now":   {errors.New("no memory"), "starting"},
		"held port": {&ports.HeldError{Port: 80, Network: "tcp", Holder: ports.Holder{PID: 9, Command: "nc", User: "eve"}}, "starting"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newScripted()
				r.fail["alpha"] = c.err
				n := begin(t, r, nil)
				register(t, n, "alpha:", "beta: alpha")
				told := n.told("alpha")
				expect(t, told[2:5], "starting", "exited: "+c.err.Error(), c.want)
				v, _ := n.WaitService(t.Context(), "alpha", func(v state.Service) bool { return v.State == state.ServiceFailed })
				if !strings.Contains(v.Reason, c.err.Error()) {
					t.Errorf("failed: %s", v.Reason)
				}
				synctest.Wait()
				on, stuck, err := n.Missing(t.Context(), "beta")
				if err != nil || !stuck || len(on) != 1 || on[0] != "alpha: failed" {
					t.Errorf("beta misses %v, stuck %v, %v", on, stuck, err)
				}
				if beta := n.told("beta"); beta[len(beta)-1] != "waiting: waiting for alpha: failed" {
					t.Errorf("beta: %v", beta)
				}
			})
		})
	}
}

func TestBuildErrorIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := begin(t, newScripted(), func(o *supervisor.Options) {
			o.Build = func(context.Context, spec.Located, supervisor.Instance) (supervisor.Built, error) {
				return supervisor.Built{}, errors.New("alpha.json:3:4: no such placeholder")
			}
		})
		register(t, n, "alpha:")
		expect(t, n.told("alpha")[2:], "starting", "exited: alpha.json:3:4: no such placeholder", "exhausted: alpha.json:3:4: no such placeholder")
	})
}

// unreached is a builder's error that says of itself whether it may pass.
type unreached struct{ passes bool }

func (unreached) Error() string     { return "the server does not answer" }
func (u unreached) Temporary() bool { return u.passes }

func TestBuildErrorThatPasses(t *testing.T) {
	for passes, want := range map[bool]string{true: "started", false: "exhausted: prepare alpha: the server does not answer"} {
		synctest.Test(t, func(t *testing.T) {
			builds := 0
			n := begin(t, newScripted(), func(o *supervisor.Options) {
				build := o.Build
				o.Build = func(ctx context.Context, s spec.Located, i supervisor.Instance) (supervisor.Built, error) {
					if builds++; builds == 1 {
						return supervisor.Built{}, fmt.Errorf("prepare alpha: %w", unreached{passes})
					}
					return build(ctx, s, i)
				}
			})
			register(t, n, "alpha:")
			<-time.After(time.Minute)
			if told := n.told("alpha"); told[3] != "exited: prepare alpha: the server does not answer" || !slices.Contains(told, want) {
				t.Errorf("passes %v: told %q, want %q", passes, told, want)
			}
		})
	}
}

func TestUnusable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := begin(t, newScripted(), nil)
		const want = "exhausted: unknown time zone Mars/Olympus"
		s := services(t, "alpha:")[0]
		s.Process.Type, s.Process.Schedule, s.Process.Timezone = spec.TypeCron, "@hourly", "Mars/Olympus"
		if err := n.Register(t.Context(), []spec.Located{s}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, n.told("alpha"), "registered", "desired", want)
		n.Restart("alpha", "c1")
		synctest.Wait()
		expect(t, n.told("alpha")[3:], "desired", want)
	})
}

func TestRunEndsAllWithinTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.slow["alpha"] = time.Hour
		n := begin(t, r, func(o *supervisor.Options) { o.StopTimeout = 2 * time.Second })
		register(t, n, "alpha:", "beta: alpha")
		began := time.Now()
		if err := n.stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		expect(t, n.order("stopped"), "beta stopped", "alpha stopped")
		told := n.told("alpha")
		if got := told[len(told)-2]; got != "exited: SIGKILL, expected" {
			t.Errorf("alpha: %s", got)
		}
		if err := n.Desire("alpha", true, "c1"); !errors.Is(err, supervisor.ErrEnded) {
			t.Errorf("Desire afterwards: %v", err)
		}
	})
}

func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		note := `{"restarts":4,"ports":[{"name":"primary","port":99,"protocol":"tcp"}],"check":{}}`
		for _, id := range []string{"alpha", "gone"} {
			r.before[id] = &fake{r: r, id: id, instance: "old-" + id, note: note, pid: 7, done: make(chan struct{})}
		}
		prior := state.New("local")
		prior.Services = map[events.Entity]state.Service{
			"alpha": {ID: "alpha", State: state.ServiceRunning, Health: state.HealthHealthy, Instance: "old-alpha", PID: 7},
			"beta":  {ID: "beta", State: state.ServiceRunning, Health: state.HealthHealthy, Instance: "old-beta", PID: 8, Restarts: 2},
			"delta": {ID: "delta", State: state.ServiceFailed},
			"ghost": {ID: "ghost", State: state.ServiceStopped},
		}
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
		register(t, n, "alpha:", "beta: alpha", "delta:")
		if err := n.Orphans(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, n.told("alpha"), "registered", "desired", "started, adopted")
		expect(t, n.told("beta"), "registered", "desired", "exited: -1", "starting", "started", "healthy")
		expect(t, n.told("delta"), "registered", "desired") // failed stays failed
		expect(t, n.told("gone"), "started, adopted", "healthy", "stopping: its spec is gone", "exited: 0, expected", "stopped: its spec is gone", "unregistered")
		expect(t, n.told("ghost"), "unregistered")
		if r.count("alpha") != 0 {
			t.Error("alpha was started again")
		}
		v, _ := n.Service("alpha")
		if v.Restarts != 4 || len(v.Ports) != 1 || v.PID != 7 || !v.Serving() {
			t.Errorf("alpha: %+v", v)
		}
		if v, _ := n.Service("beta"); v.Restarts != 3 {
			t.Errorf("beta has %d restarts", v.Restarts)
		}
	})
}

// While more is to be started than can be at once, and no longer, facts may be kept
// back.
func TestCrowd(t *testing.T) {
	for n, want := range map[int][]bool{8: nil, 20: {true, false}} {
		synctest.Test(t, func(t *testing.T) {
			var said []bool
			r := newScripted()
			lines := make([]string, n)
			for i := range lines {
				id := fmt.Sprintf("s%02d", i)
				lines[i], r.delay[id] = id+":", 10*time.Millisecond
			}
			node := begin(t, r, func(o *supervisor.Options) {
				o.Hold = func(on bool) {
					if len(said) == 0 || said[len(said)-1] != on {
						said = append(said, on)
					}
				}
			})
			register(t, node, lines...)
			<-time.After(time.Minute)
			if started := len(node.order("healthy")); started != n {
				t.Errorf("%d of %d are healthy", started, n)
			}
			if err := node.stop(); err != nil || !slices.Equal(said, want) {
				t.Errorf("%d services: told %v, want %v; %v", n, said, want, err)
			}
		})
	}
}

// On a new boot of the node what had failed begins anew, and what an old log
// calls running is not believed.
func TestNewBootBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prior := state.New("local")
		prior.Services = map[events.Entity]state.Service{
			"alpha": {ID: "alpha", State: state.ServiceFailed, Restarts: 9},
			"beta":  {ID: "beta", State: state.ServiceRunning, Instance: "x", PID: 5, Restarts: 9},
			"delta": {ID: "delta", State: state.ServiceBackoff},
		}
		n := begin(t, newScripted(), func(o *supervisor.Options) {
			o.Prior = &prior
			o.Want = func(l spec.Located) events.ServiceDesired { return events.ServiceDesired{Running: l.ID != "delta"} }
		})
		register(t, n, "alpha:", "beta:", "delta:")
		expect(t, n.told("alpha"), "registered", "desired", "starting", "started", "healthy")
		expect(t, n.told("beta"), "registered", "desired", "exited: -1", "starting", "started", "healthy")
		expect(t, n.told("delta"), "registered", "stopped: not wanted")
		for _, id := range []events.Entity{"alpha", "beta"} {
			if v, _ := n.Service(id); v.Restarts != 0 {
				t.Errorf("%s has %d restarts", id, v.Restarts)
			}
		}
	})
}

// A process that nobody knows of any more runs because somebody wanted it.
func TestAdoptedUnknownStaysWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.before["alpha"] = &fake{r: r, id: "alpha", instance: "old", note: "{}", pid: 7, done: make(chan struct{})}
		n := begin(t, r, func(o *supervisor.Options) { o.Want = nil })
		register(t, n, "alpha:", "beta:")
		expect(t, n.told("alpha"), "registered", "desired", "started, adopted", "healthy")
		expect(t, n.told("beta"), "registered")
	})
}
