package supervisor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// However much of what was stated the bus has, each end of an instance that ran counts
// once, and what was about to be started is started without being counted again.
func TestRecount(t *testing.T) {
	killed := &events.ServiceExited{Instance: "last", PID: 6, Code: -1, Signal: "SIGKILL"}
	ran := func(restarts int) *fake {
		return &fake{instance: "last", note: fmt.Sprintf(`{"restarts":%d,"boot":"b1","intended":"1999-12-31T10:00:00Z"}`, restarts), pid: 7, exit: process.Exit{Code: -1, Signal: "SIGKILL"}}
	}
	const unran = "its supervisor was gone before it ran, expected"
	intent := func(restarts int) *fake {
		f := ran(restarts)
		f.pid, f.exit = 0, process.Exit{Code: -1, Unknown: true}
		return f
	}
	// What was stated after the start of the last instance.
	later := time.Date(1999, 12, 31, 11, 0, 0, 0, time.UTC)
	const sick = state.Unhealthy + "hangs"
	for _, c := range []struct {
		name  string
		prior *state.Service // nil: the bus knows nothing
		last  *fake          // what the runner knows; nil: nothing
		want  int
		facts string // until it is started again
	}{
		{"ended while nobody was there", &state.Service{State: state.ServiceRunning, Instance: "last", PID: 7, Restarts: 2}, ran(2), 3, "exited: SIGKILL"},
		{"its end was stated", &state.Service{State: state.ServiceExited, Restarts: 2, LastExit: killed}, ran(2), 3, ""},
		{"and no record is left", &state.Service{State: state.ServiceExited, Restarts: 2, LastExit: killed}, nil, 3, ""},
		{"and not its start", &state.Service{State: state.ServiceExited, LastExit: killed}, ran(2), 3, ""},
		{"another did not even run", &state.Service{State: state.ServiceExited, Since: later, Restarts: 2, LastExit: &events.ServiceExited{Instance: "next", Code: -1, Reason: "held"}}, ran(2), 3, ""},
		{"it was ended for its health", &state.Service{State: state.ServiceStopping, Since: later, Reason: sick, Instance: "last", PID: 7, Restarts: 2}, ran(2), 3, "exited: SIGKILL, expected"},
		{"and backs off for it", &state.Service{State: state.ServiceBackoff, Since: later, Reason: sick, Restarts: 2, LastExit: &events.ServiceExited{Instance: "last", PID: 7, Expected: true}}, ran(2), 3, ""},
		{"it was asked to end", &state.Service{State: state.ServiceExited, Restarts: 2, LastExit: &events.ServiceExited{Instance: "last", Expected: true}}, ran(2), 2, ""},
		{"forked, not stated", &state.Service{State: state.ServiceStarting, Instance: "last", Restarts: 2}, ran(2), 3, "exited: SIGKILL"},
		{"stated, not forked", &state.Service{State: state.ServiceStarting, Instance: "last", Restarts: 2}, intent(2), 2, "exited: " + unran},
		{"stated, not even recorded", &state.Service{State: state.ServiceStarting, Since: later, Instance: "next", Restarts: 3}, ran(2), 3, "exited: " + unran},
		{"stated, nothing recorded", &state.Service{State: state.ServiceStarting, Instance: "next", Restarts: 3}, nil, 3, "exited: " + unran},
		{"the bus is an instance behind", &state.Service{State: state.ServiceRunning, Instance: "old", PID: 5, Restarts: 1}, ran(2), 3, "exited: -1, starting, exited: SIGKILL"},
		{"several, and an intent", &state.Service{State: state.ServiceRunning, Instance: "old", PID: 5, Restarts: 1}, intent(4), 4, "exited: -1, starting, exited: " + unran},
		{"the bus knows that it is registered", &state.Service{State: state.ServiceIdle}, ran(0), 1, "starting, exited: SIGKILL"},
		{"and no more, for long", &state.Service{State: state.ServiceIdle}, ran(5), 6, "starting, exited: SIGKILL"},
		{"the bus lost its memory", nil, ran(5), 6, "starting, exited: SIGKILL"},
		{"with an intent", nil, intent(5), 5, "starting, exited: " + unran},
		{"never started", nil, nil, 0, ""},
	} {
		for _, resume := range []bool{true, false} {
			if !resume && c.prior != nil {
				continue
			}
			t.Run(fmt.Sprintf("%s, resume %t", c.name, resume), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newScripted()
					if c.last != nil {
						c.last.r, c.last.id, r.dead["one"] = r, "one", c.last
					}
					prior := state.New("local")
					if c.prior != nil {
						v := *c.prior
						v.ID, v.Desired = "one", events.ServiceDesired{Enabled: true, Running: true}
						prior.Services = map[events.Entity]state.Service{"one": v}
					}
					n := begin(t, r, func(o *supervisor.Options) {
						o.Prior, o.Resume, o.Boot = &prior, resume, "b1"
						o.Want = func(spec.Located) events.ServiceDesired { return events.ServiceDesired{Enabled: true, Running: true} }
					})
					register(t, n, "one:")
					synctest.Wait()
					v, _ := n.Service("one")
					if v.Restarts != c.want || v.State != state.ServiceRunning {
						t.Errorf("it is %s and has %d restarts, want %d", v.State, v.Restarts, c.want)
					}
					want := "starting, started, healthy"
					if c.facts != "" {
						want = c.facts + ", " + want
					}
					told := slices.DeleteFunc(n.told("one"), func(f string) bool { return f == "registered" || f == "desired" })
					if got := strings.Join(told, ", "); got != want {
						t.Errorf("stated %s, want %s", got, want)
					}
				})
			})
		}
	}
}

// That somebody asked for an instance is known from its record where the bus lost it: the
// instance that runs is left alone, and its end counts.
func TestRecallRequest(t *testing.T) {
	for _, bus := range []string{"", "c1"} {
		synctest.Test(t, func(t *testing.T) {
			r := newScripted()
			r.before["one"] = &fake{
				r: r, id: "one", instance: "asked", pid: 7, done: make(chan struct{}),
				note: `{"restarts":2,"boot":"b1","intended":"1999-12-31T10:00:00Z","request":"c2"}`,
			}
			prior := state.New("local")
			if bus != "" {
				prior.Services = map[events.Entity]state.Service{"one": {
					ID: "one", State: state.ServiceRunning, Instance: "old", PID: 6, Restarts: 1, Answers: "c1",
					Desired: events.ServiceDesired{Running: true, Restart: "c1"},
				}}
			}
			n := begin(t, r, func(o *supervisor.Options) {
				o.Prior, o.Resume, o.Boot = &prior, true, "b1"
				o.Want = func(spec.Located) events.ServiceDesired {
					return events.ServiceDesired{Running: true, Restart: events.ID(bus)}
				}
			})
			register(t, n, "one:")
			synctest.Wait()
			if v, _ := n.Service("one"); v.Instance != "asked" || v.Desired.Restart != "c2" || v.State != state.ServiceRunning {
				t.Fatalf("adopted: %+v", v)
			}
			r.before["one"].end(process.Exit{Code: 1})
			synctest.Wait()
			if v, _ := n.Service("one"); v.Restarts != 3 || v.State != state.ServiceRunning {
				t.Errorf("it is %s and has %d restarts, want 3", v.State, v.Restarts)
			}
		})
	}
}

// The crash budget is that of all supervisors of one boot together, and what has failed
// stays so however long that is ago.
func TestRecallBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		recent := make([]time.Time, process.DefaultPolicy("always").Budget-1)
		for i := range recent {
			recent[i] = now.Add(-time.Hour)
		}
		text, err := json.Marshal(map[string]any{
			"restarts": 6, "boot": "b1", "intended": now, "history": process.History{Ended: true, Streak: 6, Recent: recent, Ran: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := newScripted()
		r.dead["one"] = &fake{r: r, id: "one", instance: "last", note: string(text), pid: 7, exit: process.Exit{Code: 1, Time: now.Add(-time.Hour + time.Second)}}
		prior := state.New("local")
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume, o.Boot = &prior, true, "b1" })
		register(t, n, "one:")
		synctest.Wait()
		if v, _ := n.Service("one"); v.State != state.ServiceFailed || r.count("one") != 0 {
			t.Errorf("it is %s after %d more starts", v.State, r.count("one"))
		}
	})
}

// A record that nobody can read and no spec is of keeps nobody from anything.
func TestOrphanUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.bad = "aaa"
		r.before["zzz"] = &fake{r: r, id: "zzz", instance: "left", pid: 7, done: make(chan struct{}), note: "{}"}
		n := begin(t, r, nil)
		if err := n.Orphans(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, n.told("zzz"), "started, adopted", "healthy", "stopping: its spec is gone", "exited: 0, expected", "stopped: its spec is gone", "unregistered")
		expect(t, n.told("aaa"))
	})
}

// In another boot of the node all counts begin anew.
func TestRecountOfAnotherBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.dead["one"] = &fake{r: r, id: "one", instance: "last", note: `{"restarts":7,"boot":"b0"}`, pid: 7, exit: process.Exit{Code: 1}}
		prior := state.New("local")
		prior.Services = map[events.Entity]state.Service{"one": {ID: "one", State: state.ServiceRunning, Instance: "old", PID: 6, Restarts: 3}}
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Boot = &prior, "b1" })
		register(t, n, "one:")
		synctest.Wait()
		if v, _ := n.Service("one"); v.Restarts != 0 || v.State != state.ServiceRunning {
			t.Errorf("it is %s and has %d restarts", v.State, v.Restarts)
		}
	})
}

// A job that went well does not run again, even if the memory of the bus is lost.
func TestRecountOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		for id, code := range map[string]int{"well": 0, "badly": 3} {
			r.life[id] = time.Second
			r.dead[id] = &fake{r: r, id: id, instance: "last-" + id, note: `{"restarts":2}`, pid: 7, exit: process.Exit{Code: code}}
		}
		prior := state.New("local")
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
		specs := []spec.Located{job(t, "well", `"type":"oneshot"`), job(t, "badly", `"type":"oneshot","restartPolicy":"on-failure"`)}
		if err := n.Register(t.Context(), specs); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		for id, want := range map[events.Entity][2]int{"well": {2, 0}, "badly": {3, 1}} {
			if v, _ := n.Service(id); v.Restarts != want[0] || v.State != state.ServiceCompleted || r.count(string(id)) != want[1] {
				t.Errorf("%s is %s after %d runs and has %d restarts, want %d", id, v.State, r.count(string(id)), v.Restarts, want)
			}
		}
	})
}

// A run that was due and never began is made up for, as no restart.
func TestRecallRun(t *testing.T) {
	for _, v := range []state.Service{
		{State: state.ServiceStarting, Instance: "due", Restarts: 2},
		{State: state.ServiceWaiting, Reason: "waiting for alpha", Restarts: 2},
		{State: state.ServiceWaiting, Reason: "waiting for alpha", Restarts: 2, LastExit: &events.ServiceExited{Instance: "before", PID: 7, Expected: true}},
		{State: state.ServiceStopping, Reason: controller.NextRunDue, Instance: "before", PID: 7, Restarts: 2},
	} {
		t.Run(string(v.State), func(t *testing.T) { recallRun(t, v) })
	}
}

func recallRun(t *testing.T, was state.Service) {
	synctest.Test(t, func(t *testing.T) { // at midnight
		r := newScripted()
		r.life["job"] = time.Second
		was.ID = "job"
		prior := state.New("local")
		prior.Services = map[events.Entity]state.Service{"job": was}
		n := begin(t, r, func(o *supervisor.Options) {
			o.Prior, o.Resume = &prior, true
			o.Want = func(spec.Located) events.ServiceDesired { return events.ServiceDesired{Running: true} }
		})
		if err := n.Register(t.Context(), []spec.Located{job(t, "job", `"type":"cron","schedule":"30 * * * *"`)}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		v, _ := n.Service("job")
		if r.count("job") != 1 || v.Restarts != 2 || v.State != state.ServiceScheduled || !v.Until.Equal(time.Now().Truncate(time.Hour).Add(30*time.Minute)) {
			t.Errorf("it ran %d times, is %s until %s and has %d restarts", r.count("job"), v.State, v.Until, v.Restarts)
		}
	})
}
