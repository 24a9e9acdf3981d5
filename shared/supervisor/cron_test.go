package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// job parses the spec of a process with members.
func job(t *testing.T, id, members string) spec.Located {
	t.Helper()
	l, err := spec.ParseLocated(id+".json", fmt.Appendf(nil, `{"id":%q,"process":{"command":"/bin/true",%s}}`, id, members))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCron(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at midnight
		r := newScripted()
		r.life["job"] = 10 * time.Second
		n := begin(t, r, nil)
		if err := n.Register(t.Context(), []spec.Located{job(t, "job", `"type":"cron","schedule":"30 * * * *"`)}); err != nil {
			t.Fatal(err)
		}
		v, _ := n.Service("job")
		if want := time.Now().Add(30 * time.Minute); v.State != state.ServiceScheduled || !v.Until.Equal(want) || v.Registered.Schedule != "30 * * * *" {
			t.Errorf("%s until %v, want %v", v.State, v.Until, want)
		}
		<-time.After(2 * time.Hour)
		run := []string{"starting", "started", "healthy", "exited: 0, expected", "completed", "scheduled"}
		expect(t, n.told("job"), append([]string{"registered", "desired", "scheduled"}, append(run, run...)...)...)

		// A run that fails follows the restart policy, and its failure is told
		// until the next time.
		r.set(func() { r.exit["job"] = process.Exit{Code: 3} })
		<-time.After(40 * time.Minute)
		v, _ = n.Service("job")
		if want := "ended 7 times within 1m3.1s (at most 6 restarts): exit status 3"; v.State != state.ServiceScheduled || v.Reason != want || v.Settled() {
			t.Errorf("after a failed run: %s, %q", v.State, v.Reason)
		}
		r.set(func() { delete(r.exit, "job") })
		before := r.count("job")
		<-time.After(time.Hour)
		if v, _ = n.Service("job"); !v.Settled() || r.count("job") != before+1 || v.Reason != "" {
			t.Errorf("after a run that went well: %s, %q, %d runs", v.State, v.Reason, r.count("job")-before)
		}
		if err := n.Desire("job", false, "c1"); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Hour)
		if v, _ = n.Service("job"); v.State != state.ServiceStopped || r.count("job") != before+1 {
			t.Errorf("a stopped job is %s", v.State)
		}
	})
}

// A run that goes on is let be where the times of a job change.
func TestCronOtherTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at midnight
		r := newScripted()
		r.life["job"] = 50 * time.Minute
		n := begin(t, r, nil)
		revise := func(schedule string) {
			t.Helper()
			s := job(t, "job", `"type":"cron","schedule":"`+schedule+`"`)
			if err := n.Revise(t.Context(), supervisor.Revision{Register: []spec.Located{s}}, "c1"); err != nil {
				t.Fatal(err)
			}
		}
		midnight := time.Now()
		revise("30 * * * *")
		revise("20 * * * *")
		if v, _ := n.Service("job"); v.State != state.ServiceScheduled || !v.Until.Equal(midnight.Add(20*time.Minute)) {
			t.Errorf("%s until %v", v.State, v.Until)
		}
		<-time.After(40 * time.Minute)
		revise("0 5 * * *")
		<-time.After(time.Hour)
		if v, _ := n.Service("job"); v.State != state.ServiceScheduled || !v.Until.Equal(midnight.Add(5*time.Hour)) {
			t.Errorf("%s until %v", v.State, v.Until)
		}
		expect(t, n.told("job"), "registered", "desired", "scheduled", "registered", "scheduled", "starting", "started", "healthy", "registered",
			"exited: 0, expected", "completed", "scheduled")
	})
}

func TestCronOverlap(t *testing.T) {
	for overlap, want := range map[string][]string{
		"skip":    {"starting", "started", "healthy", "exited: 0, expected", "completed", "scheduled", "starting", "started", "healthy"},
		"replace": {"starting", "started", "healthy", "stopping: its next run is due", "exited: 0, expected", "starting", "started", "healthy", "stopping: its next run is due"},
	} {
		t.Run(overlap, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newScripted()
				r.life["job"] = 90 * time.Minute
				n := begin(t, r, nil)
				l := job(t, "job", fmt.Sprintf(`"type":"cron","schedule":"@hourly","overlap":%q`, overlap))
				if err := n.Register(t.Context(), []spec.Located{l}); err != nil {
					t.Fatal(err)
				}
				<-time.After(3*time.Hour + time.Minute)
				expect(t, n.told("job")[3:12], want...)
			})
		})
	}
}

// A run can be asked for, and is waited for to its end; so is a oneshot.
func TestAwaitRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.life["job"], r.life["once"] = 10*time.Second, 5*time.Second
		n := begin(t, r, func(o *supervisor.Options) {
			o.Want = func(spec.Located) events.ServiceDesired { return events.ServiceDesired{} }
		})
		specs := []spec.Located{
			job(t, "job", `"type":"cron","schedule":"@daily","restartPolicy":"never"`),
			job(t, "once", `"type":"oneshot","restartPolicy":"never"`),
		}
		if err := n.Register(t.Context(), specs); err != nil {
			t.Fatal(err)
		}
		await := func(id events.Entity, g supervisor.Goal, took time.Duration, want string) {
			t.Helper()
			began := time.Now()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("too late"))
			defer cancel()
			got := ""
			if err := n.Await(ctx, id, g); err != nil {
				got = err.Error()
			}
			if got != want || time.Since(began) != took {
				t.Errorf("%s: %q after %s, want %q after %s", id, got, time.Since(began), want, took)
			}
		}
		up := supervisor.Goal{Running: true}
		n.Desire("job", true, "c1")
		await("job", up, 0, "")
		if r.count("job") != 0 {
			t.Error("a job that is enabled ran at once")
		}
		n.Restart("job", "c2")
		await("job", supervisor.Goal{Running: true, Request: "c2"}, 10*time.Second, "")
		r.set(func() { r.exit["job"] = process.Exit{Code: 3} })
		n.Restart("job", "c3")
		await("job", supervisor.Goal{Running: true, Request: "c3"}, 10*time.Second, "service job: exit status 3; its restart policy is never")
		r.set(func() { r.fail["job"] = errors.New("no memory") })
		n.Restart("job", "c4")
		await("job", supervisor.Goal{Running: true, Request: "c4"}, 0, "service job: no memory; its restart policy is never")

		n.Desire("once", true, "c5")
		await("once", up, 5*time.Second, "")
		r.set(func() { r.exit["once"] = process.Exit{Code: 4} })
		n.Desire("once", true, "c6")
		await("once", supervisor.Goal{Running: true, Request: "c6"}, 5*time.Second, "service once: exit status 4; its restart policy is never")
	})
}

// What follows a oneshot begins when it is completed, not when it runs; one that
// failed holds it up.
func TestDependsOnCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		r.life["migrate"], r.exit["migrate"] = 5*time.Second, process.Exit{Code: 1}
		n := begin(t, r, nil)
		after, err := spec.ParseLocated("app.json", []byte(`{"id":"app","process":{"command":"/bin/true"},"dependencies":[{"service":"migrate","condition":"completed"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Register(t.Context(), []spec.Located{after, job(t, "migrate", `"type":"oneshot","restartPolicy":"on-failure"`)}); err != nil {
			t.Fatal(err)
		}
		<-time.After(6 * time.Second)
		if r.count("migrate") != 2 || r.count("app") != 0 {
			t.Errorf("%d runs, %d starts of what follows", r.count("migrate"), r.count("app"))
		}
		r.set(func() { delete(r.exit, "migrate") })
		<-time.After(10 * time.Second)
		if v, _ := n.Service("app"); !v.Serving() || r.count("app") != 1 {
			t.Errorf("what follows is %s: %s", v.State, v.Reason)
		}
	})
}

// A supervisor that comes back leaves out what it missed.
func TestCronMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prior := state.New("local")
		prior.Services["job"] = state.Service{
			ID: "job", Source: events.Procd, State: state.ServiceScheduled, Until: time.Now().Add(-time.Hour),
			Desired: events.ServiceDesired{Enabled: true, Running: true},
		}
		r := newScripted()
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
		if err := n.Register(t.Context(), []spec.Located{job(t, "job", `"type":"cron","schedule":"@daily"`)}); err != nil {
			t.Fatal(err)
		}
		if v, _ := n.Service("job"); v.State != state.ServiceScheduled || time.Until(v.Until) != 24*time.Hour || r.count("job") != 0 {
			t.Errorf("%s until %v after %d runs", v.State, v.Until, r.count("job"))
		}
	})
}

// An interval is counted from when a run was due, not from when it ended; runs that an
// operator asks for, and a supervisor that comes back, change nothing about it.
func TestCronEvery(t *testing.T) {
	for _, overlap := range []string{"skip", "replace"} {
		t.Run(overlap, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // at midnight
				r := newScripted()
				r.life["job"] = 7300 * time.Millisecond
				n := begin(t, r, nil)
				l := job(t, "job", fmt.Sprintf(`"type":"cron","schedule":"@every 60s","overlap":%q`, overlap))
				register := func(l spec.Located) {
					t.Helper()
					if err := n.Register(t.Context(), []spec.Located{l}); err != nil {
						t.Fatal(err)
					}
				}
				register(l)
				runs := func(want ...time.Duration) {
					t.Helper()
					synctest.Wait()
					midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
					var got []time.Duration
					n.mu.Lock()
					defer n.mu.Unlock()
					for _, e := range n.facts {
						if e.Type == "service.started" {
							got = append(got, e.Time.Sub(midnight))
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: runs after %v, want %v", overlap, got, want)
					}
				}
				<-time.After(185 * time.Second)
				want := []time.Duration{60 * time.Second, 120 * time.Second, 180 * time.Second}
				runs(want...)

				<-time.After(15 * time.Second) // 3:20
				if err := n.Restart("job", "c1"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				r.set(func() { r.life["job"] = 100 * time.Second })
				<-time.After(25 * time.Second) // 3:45; the next one takes longer than the interval
				want = append(want, 200*time.Second, 240*time.Second)
				if overlap == "skip" {
					want = append(want, 360*time.Second)
				} else {
					want = append(want, 300*time.Second, 360*time.Second)
				}
				<-time.After(140 * time.Second) // 6:05
				runs(want...)

				// Wanted anew it begins anew, and is not due for what was left out.
				for _, running := range []bool{false, true} {
					if err := n.Desire("job", running, ""); err != nil {
						t.Fatal(err)
					}
					<-time.After(130 * time.Second)
				}
				want = append(want, 8*time.Minute+15*time.Second+60*time.Second, 8*time.Minute+15*time.Second+120*time.Second)
				if overlap == "skip" {
					want = want[:len(want)-1]
				}
				runs(want...)
			})
		})
	}
}

func TestCronEveryResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		due := time.Now().Add(-100 * time.Second)
		prior := state.New("local")
		prior.Services["job"] = state.Service{
			ID: "job", Source: events.Procd, State: state.ServiceScheduled, Until: due, Desired: events.ServiceDesired{Enabled: true, Running: true},
		}
		n := begin(t, newScripted(), func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
		if err := n.Register(t.Context(), []spec.Located{job(t, "job", `"type":"cron","schedule":"@every 60s"`)}); err != nil {
			t.Fatal(err)
		}
		if v, _ := n.Service("job"); !v.Until.Equal(due.Add(120 * time.Second)) {
			t.Errorf("it is to run %v after it was due: want 2m", v.Until.Sub(due))
		}
	})
}
