package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/health"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// answers is what endpoints say: nothing is wrong, or what is.
type answers struct {
	mu    sync.Mutex
	wrong map[string]string // by endpoint
}

func (a *answers) set(endpoint, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong == nil {
		a.wrong = map[string]string{}
	}
	a.wrong[endpoint] = reason
}

func (a *answers) probe(_ context.Context, c health.Check) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if reason := a.wrong[c.Endpoint]; reason != "" {
		return errors.New(reason)
	}
	return nil
}

// checked begins a supervisor whose services have these checks.
func checked(t *testing.T, r *scripted, a *answers, c supervisor.Checks, change func(*supervisor.Options)) *node {
	return begin(t, r, func(o *supervisor.Options) {
		o.Probe = a.probe
		o.Build = func(context.Context, spec.Located, supervisor.Instance) (supervisor.Built, error) {
			return supervisor.Built{Command: process.Command{Path: "/bin/true"}, Checks: c}, nil
		}
		if change != nil {
			change(o)
		}
	})
}

func tcp(endpoint string) health.Check {
	return health.Check{Type: spec.HealthTCP, Endpoint: endpoint, Interval: time.Second, Threshold: 2, StartPeriod: 5 * time.Second}
}

var (
	live  = tcp("live")
	ready = tcp("ready")
)

// Readiness that fails is stated and left alone; liveness that fails ends the
// instance.
func TestReadinessAndLiveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		a.set("ready", "warming up")
		r := newScripted()
		n := checked(t, r, &a, supervisor.Checks{Liveness: &live, Readiness: &ready}, nil)
		register(t, n, "alpha:", "beta: alpha")
		<-time.After(3 * time.Second)
		expect(t, n.told("alpha"), "registered", "desired", "starting", "started")
		<-time.After(5 * time.Second)
		expect(t, n.told("alpha")[4:], "unready: warming up")
		expect(t, n.told("beta"), "registered", "desired", "waiting: waiting for alpha: starting")
		a.set("ready", "")
		<-time.After(2 * time.Second)
		expect(t, n.told("alpha")[5:], "healthy")
		expect(t, n.told("beta")[3:], "starting", "started", "healthy")

		a.set("ready", "busy")
		<-time.After(time.Hour)
		expect(t, n.told("alpha")[6:], "unready: busy")
		if v, _ := n.Service("alpha"); v.Serving() || v.Health != state.HealthUnready || v.Reason != "busy" || r.count("alpha") != 1 {
			t.Errorf("it is %s, %s: %s, started %d times", v.State, v.Health, v.Reason, r.count("alpha"))
		}
		a.set("live", "hangs")
		<-time.After(2500 * time.Millisecond)
		a.set("live", "")
		a.set("ready", "")
		<-time.After(2 * time.Second)
		expect(t, n.told("alpha")[7:], "unhealthy: hangs", "stopping: unhealthy: hangs", "exited: 0, expected", "starting", "started", "healthy")
		if v, _ := n.Service("alpha"); v.Restarts != 1 {
			t.Errorf("%d restarts", v.Restarts)
		}
	})
}

// What an instance lacks to be healthy is stated before its start period is over.
func TestLateStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			checks supervisor.Checks
			broken string
			want   []string // after it was started
		}{
			"flat":      {supervisor.Checks{Check: slow("live")}, "live", []string{"unready: refused", "healthy"}},
			"readiness": {supervisor.Checks{Check: slow("live"), Readiness: ptr(slow("ready"))}, "ready", []string{"unready: refused", "healthy"}},
			"liveness":  {supervisor.Checks{Check: slow("live"), Readiness: ptr(slow("ready"))}, "live", []string{"healthy"}},
		} {
			var a answers
			a.set(c.broken, "refused")
			r := newScripted()
			n := checked(t, r, &a, c.checks, nil)
			register(t, n, "alpha:")
			<-time.After(20 * time.Second)
			a.set(c.broken, "")
			<-time.After(5 * time.Second)
			if expect(t, n.told("alpha")[4:], c.want...); r.count("alpha") != 1 {
				t.Errorf("%s: started %d times", name, r.count("alpha"))
			}
		}
	})
}

func slow(endpoint string) health.Check {
	c := tcp(endpoint)
	c.StartPeriod = time.Minute
	return c
}

func ptr(c health.Check) *health.Check { return &c }

// Where nothing is started again, what fails both is unhealthy until it lives,
// then unready until it is ready.
func TestUnhealthyThenUnready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		n := checked(t, newScripted(), &a, supervisor.Checks{Check: live, Readiness: &ready}, func(o *supervisor.Options) {
			o.Policy = func(spec.Located) process.Policy { return process.DefaultPolicy(spec.RestartNever) }
		})
		a.set("ready", "busy")
		a.set("live", "hangs")
		register(t, n, "alpha:")
		<-time.After(10 * time.Second)
		a.set("live", "")
		<-time.After(10 * time.Second)
		a.set("ready", "")
		<-time.After(10 * time.Second)
		told := n.told("alpha")[4:]
		if told[0] == "unready: busy" { // both are found out at one time
			told = told[1:]
		}
		expect(t, told, "unhealthy: hangs", "unready: busy", "healthy")
	})
}

// Each combination of checks says what is asked for which purpose.
func TestWhichCheckIsForWhat(t *testing.T) {
	log := health.Check{Type: spec.HealthLog, Pattern: "up", StartPeriod: time.Second, Interval: time.Second, Threshold: 2}
	none := health.Check{Type: spec.HealthNone}
	for name, c := range map[string]struct {
		checks           supervisor.Checks
		live, ready, log string // what is told when this endpoint fails, or nothing is written
	}{
		"none":          {supervisor.Checks{}, "healthy", "healthy", "healthy"},
		"flat":          {supervisor.Checks{Check: live}, "unhealthy", "healthy", "healthy"},
		"live":          {supervisor.Checks{Liveness: &live}, "unhealthy", "healthy", "healthy"},
		"ready":         {supervisor.Checks{Readiness: &ready}, "healthy", "unready", "healthy"},
		"flat, ready":   {supervisor.Checks{Check: live, Readiness: &ready}, "unhealthy", "unready", "healthy"},
		"flat, live":    {supervisor.Checks{Check: ready, Liveness: &live}, "unhealthy", "unready", "healthy"},
		"not for live":  {supervisor.Checks{Check: ready, Liveness: &none}, "healthy", "unready", "healthy"},
		"not for ready": {supervisor.Checks{Check: live, Readiness: &none}, "unhealthy", "healthy", "healthy"},
		"log":           {supervisor.Checks{Check: log}, "healthy", "healthy", "unready"},
		"live, log":     {supervisor.Checks{Liveness: &live, Readiness: &log}, "unhealthy", "healthy", "unready"},
	} {
		for broken, want := range map[string]string{"live": c.live, "ready": c.ready, "log": c.log} {
			t.Run(fmt.Sprintf("%s with broken %s", name, broken), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var a answers
					a.set(broken, "no")
					r := newScripted()
					n := checked(t, r, &a, c.checks, func(o *supervisor.Options) {
						o.Policy = func(spec.Located) process.Policy { return process.DefaultPolicy(spec.RestartNever) }
					})
					register(t, n, "alpha:")
					if broken != "log" {
						r.set(func() { close(r.live["alpha"].matched) })
					}
					<-time.After(time.Minute)
					if v, _ := n.Service("alpha"); string(v.Health) != want {
						t.Errorf("it is %s: %s, want %s", v.Health, v.Reason, want)
					}
				})
			})
		}
	}
}

// A line makes an instance ready, and each instance needs its own.
func TestReadyByALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		log := health.Check{Type: spec.HealthLog, Pattern: "^up"}
		n := checked(t, r, &answers{}, supervisor.Checks{Check: log}, nil)
		register(t, n, "alpha:")
		<-time.After(time.Second)
		expect(t, n.told("alpha"), "registered", "desired", "starting", "started")
		r.set(func() { close(r.live["alpha"].matched) })
		synctest.Wait()
		expect(t, n.told("alpha")[4:], "healthy")
		if r.patterns["alpha"] != "^up" {
			t.Errorf("the runner looks for %q", r.patterns["alpha"])
		}
		n.Restart("alpha", "c1")
		<-time.After(time.Second)
		expect(t, n.told("alpha")[5:], "desired", "stopping: restart requested", "exited: 0, expected", "starting", "started")
		r.set(func() { close(r.live["alpha"].matched) })
		synctest.Wait()
		expect(t, n.told("alpha")[10:], "healthy")
	})
}

// What was ready stays so when it is adopted, what was not does too.
func TestAdoptedReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prior := state.New("local")
		r := newScripted()
		for id, health := range map[events.Entity]state.Health{"alpha": state.HealthHealthy, "beta": state.HealthUnready, "gamma": state.HealthUnknown} {
			note := `{"restarts":2,"check":{"Type":"log","Pattern":"up","StartPeriod":1000000000,"Interval":1000000000}}`
			prior.Services[id] = state.Service{
				ID: id, State: state.ServiceRunning, Health: health, Instance: "i-" + string(id), PID: 7, Reason: "no line yet",
				Desired: events.ServiceDesired{Enabled: true, Running: true},
			}
			r.before[string(id)] = &fake{
				r: r, id: string(id), instance: "i-" + string(id), note: note, pid: 7,
				done: make(chan struct{}), matched: make(chan struct{}), dropped: make(chan int, 1),
			}
		}
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
		register(t, n, "alpha:", "beta:", "gamma:")
		<-time.After(time.Minute)
		expect(t, n.told("alpha"), "registered", "started, adopted")
		expect(t, n.told("beta"), "registered", "started, adopted")
		expect(t, n.told("gamma"), "registered", "started, adopted", `unready: no line has matched "up" yet`)
		r.set(func() { close(r.before["beta"].matched) })
		synctest.Wait()
		expect(t, n.told("beta")[2:], "healthy")
	})
}

// What was late to start when it was adopted has its start period, and its liveness
// is not known for its readiness being missed.
func TestAdoptedWhileItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		a.set("live", "refused")
		a.set("ready", "refused")
		prior, r := state.New("local"), newScripted()
		prior.Services["alpha"] = state.Service{
			ID: "alpha", State: state.ServiceRunning, Health: state.HealthUnready, Instance: "i", PID: 7, Reason: "refused",
			Desired: events.ServiceDesired{Enabled: true, Running: true},
		}
		r.before["alpha"] = &fake{
			r: r, id: "alpha", instance: "i", pid: 7, done: make(chan struct{}), matched: make(chan struct{}), dropped: make(chan int, 1),
			note: `{"liveness":{"Type":"tcp","Endpoint":"live","StartPeriod":60000000000},"readiness":{"Type":"tcp","Endpoint":"ready","StartPeriod":60000000000}}`,
		}
		n := begin(t, r, func(o *supervisor.Options) { o.Prior, o.Resume, o.Probe = &prior, true, a.probe })
		register(t, n, "alpha:")
		<-time.After(50 * time.Second)
		expect(t, n.told("alpha"), "registered", "started, adopted")
		a.set("live", "")
		a.set("ready", "")
		<-time.After(5 * time.Second)
		expect(t, n.told("alpha")[2:], "healthy")
		a.set("live", "hangs")
		<-time.After(20 * time.Second)
		expect(t, n.told("alpha")[3:4], "unhealthy: hangs")
	})
}

func TestLinesDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newScripted()
		n := begin(t, r, nil)
		register(t, n, "alpha:")
		r.live["alpha"].dropped <- 7
		synctest.Wait()
		expect(t, n.told("alpha")[4:], "healthy", "lines_dropped")
		if v, _ := n.Service("alpha"); v.Dropped != 7 {
			t.Errorf("%d lines", v.Dropped)
		}
		n.Restart("alpha", "c")
		synctest.Wait()
		if v, _ := n.Service("alpha"); v.Dropped != 0 || !v.Serving() {
			t.Errorf("%d lines of the next instance, which is %s", v.Dropped, v.Health)
		}
	})
}

// A real service that is busy for a while: the same process serves again.
func TestUnreadyIsLeftAlone(t *testing.T) {
	r := beginReal(t, builder(t), nil, nil)
	s := located(t, fmt.Sprintf(`{"id":"alpha","process":{"command":%q,"env":{"LISTEN":"127.0.0.1:{ports.primary}"}},
		"ports":{"primary":{"port":0,"protocol":"http"}},"health":{
			"liveness":{"type":"tcp","interval":"50ms"},
			"readiness":{"type":"http","endpoint":"http://127.0.0.1:{ports.primary}/ready","interval":"50ms","failureThreshold":2,"successThreshold":2}}}`, os.Args[0]), nil)
	if err := r.Register(t.Context(), []spec.Located{s}); err != nil {
		t.Fatal(err)
	}
	first := r.until(t, "alpha", "serves", state.Service.Serving)
	busy := filepath.Join(r.services.Layout.Data("alpha"), "busy")
	if err := os.WriteFile(busy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.until(t, "alpha", "is unready", func(v state.Service) bool { return v.Health == state.HealthUnready })
	if err := os.Remove(busy); err != nil {
		t.Fatal(err)
	}
	if again := r.until(t, "alpha", "serves again", state.Service.Serving); again.PID != first.PID {
		t.Errorf("pid %d became %d", first.PID, again.PID)
	}
	reason := fmt.Sprintf("unready: GET http://127.0.0.1:%d/ready: status 500 Internal Server Error", first.Ports[0].Port)
	expect(t, r.told("alpha"), "registered", "desired", "starting", "started", "healthy", reason, "healthy")
}
