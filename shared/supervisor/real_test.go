package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/events"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/supervisor"
)

// The test binary is also a service: it answers HTTP on LISTEN, with status 500
// while its data directory has a file "sick", or for /ready "busy".
func TestMain(m *testing.M) {
	if address := os.Getenv("LISTEN"); address != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		l, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			state := "sick"
			if r.URL.Path == "/ready" {
				state = "busy"
			}
			if _, err := os.Stat(filepath.Join(os.Getenv("CORE_DATA_DIR"), state)); err == nil {
				http.Error(w, state, http.StatusInternalServerError)
			}
		}))
		<-ctx.Done()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// real is a supervisor of real processes.
type real struct {
	*node
	services *supervisor.Services
	end      func() // of supervisor and runner, in this order
}

func beginReal(t testing.TB, services *supervisor.Services, leave error, change func(*supervisor.Options)) *real {
	t.Helper()
	r := runner.New(runner.Options{Dir: services.Layout.Run()})
	beneath, release := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(beneath) }()
	j := &journal{src: events.Procd}
	o := supervisor.Options{
		Node: "local", Source: events.Procd, Facts: j, Runner: r, Build: services.Build,
		Want: func(spec.Located) events.ServiceDesired { return events.ServiceDesired{Enabled: true, Running: true} },
	}
	if change != nil {
		change(&o)
	}
	s := supervisor.New(o)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once atomic.Bool
	end := func() {
		if once.Swap(true) {
			return
		}
		cancel(leave)
		err := <-ended
		release()
		if err := errors.Join(err, <-ran); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return &real{node: &node{Supervisor: s, journal: j}, services: services, end: end}
}

func (r *real) until(t testing.TB, id events.Entity, what string, ok func(state.Service) bool) state.Service {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v, err := r.WaitService(ctx, id, ok)
	if err != nil {
		t.Fatalf("%s %s: %v; it is %s, %s: %s\n%v", id, what, err, v.State, v.Health, v.Reason, r.told(id))
	}
	return v
}

func webService(t *testing.T, id, more string) spec.Located {
	return located(t, fmt.Sprintf(`{"id":%q,"process":{"command":%q,"env":{"LISTEN":"127.0.0.1:{ports.primary}"}%s},
		"ports":{"primary":{"port":0,"protocol":"http"}},
		"health":{"type":"http","interval":"50ms","timeout":"1s","failureThreshold":2}}`, id, os.Args[0], more), nil)
}

func TestUnhealthyIsReplaced(t *testing.T) {
	r := beginReal(t, builder(t), nil, nil)
	if err := r.Register(t.Context(), []spec.Located{webService(t, "alpha", ""), webService(t, "stoic", `,"restartPolicy":"never"`)}); err != nil {
		t.Fatal(err)
	}
	stoic := r.until(t, "stoic", "serves", state.Service.Serving)
	first := r.until(t, "alpha", "serves", state.Service.Serving)
	for _, id := range []string{"alpha", "stoic"} {
		if err := os.WriteFile(filepath.Join(r.services.Layout.Data(id), "sick"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := r.until(t, "alpha", "is replaced", func(v state.Service) bool { return v.PID != 0 && v.PID != first.PID })
	if second.Ports[0] != first.Ports[0] {
		t.Errorf("the port was not kept: %v, %v", second.Ports, first.Ports)
	}
	r.until(t, "stoic", "is unhealthy", func(v state.Service) bool { return v.Health == state.HealthUnhealthy })
	for _, id := range []string{"alpha", "stoic"} {
		if err := os.Remove(filepath.Join(r.services.Layout.Data(id), "sick")); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, "alpha", "serves again", state.Service.Serving)
	again := r.until(t, "stoic", "serves again", state.Service.Serving)
	if again.PID != stoic.PID {
		t.Error("a service that is never restarted was")
	}
	told := r.told("alpha")
	reason := fmt.Sprintf("GET http://127.0.0.1:%d/: status 500 Internal Server Error", first.Ports[0].Port)
	expect(t, told[2:10], "starting", "started", "healthy", "unhealthy: "+reason, "stopping: unhealthy: "+reason, "exited: 0, expected", "starting", "started")
}

// A supervisor that cannot go on leaves what runs to the next one.
func TestLeaveAndAdopt(t *testing.T) {
	services := builder(t)
	specs := []spec.Located{webService(t, "alpha", ""), webService(t, "beta", "")}
	first := beginReal(t, services, supervisor.ErrLeave, nil)
	if err := first.Register(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	alpha := first.until(t, "alpha", "serves", state.Service.Serving)
	beta := first.until(t, "beta", "serves", state.Service.Serving)
	prior := first.Supervisor.State()
	first.end()
	if err := syscall.Kill(alpha.PID, 0); err != nil {
		t.Fatalf("alpha did not survive: %v", err)
	}

	second := beginReal(t, services, nil, func(o *supervisor.Options) { o.Prior, o.Resume = &prior, true })
	if err := second.Register(t.Context(), specs[:1]); err != nil {
		t.Fatal(err)
	}
	// What the bus knows already is not said again.
	expect(t, second.told("alpha"), "started, adopted")
	v, _ := second.Service("alpha")
	if v.PID != alpha.PID || fmt.Sprint(v.Ports) != fmt.Sprint(alpha.Ports) || !v.Serving() {
		t.Errorf("adopted %+v, was %+v", v, alpha)
	}
	// It is checked from then on.
	sick := filepath.Join(services.Layout.Data("alpha"), "sick")
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second.until(t, "alpha", "is found unhealthy", func(v state.Service) bool { return v.State == state.ServiceStopping || v.PID != alpha.PID })
	if err := os.Remove(sick); err != nil {
		t.Fatal(err)
	}
	second.until(t, "alpha", "serves", state.Service.Serving)
	// Beta's spec is gone meanwhile.
	if err := second.Orphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := second.Wait(ctx, func(s state.State) bool { _, known := s.Services["beta"]; return !known }); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(beta.PID, 0); err == nil {
		t.Error("beta still runs")
	}
}

// What 200 and 1,000 trivial services cost from registration to all running, and
// to all stopped.
func BenchmarkUp(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				services := &supervisor.Services{Node: "local", StopTimeout: 10 * time.Second, Environ: []string{"PATH=/usr/bin:/bin"}}
				services.Layout.Dir = b.TempDir()
				services.Layout.Root = services.Layout.Dir
				var specs []spec.Located
				for i := range n {
					s, err := spec.ParseLocated("s.json", fmt.Appendf(nil, `{"id":"s%d","process":{"command":"sleep","args":["1000"]}}`, i))
					if err != nil {
						b.Fatal(err)
					}
					specs = append(specs, s)
				}
				r := beginReal(b, services, nil, nil)
				began := time.Now()
				if err := r.Register(b.Context(), specs); err != nil {
					b.Fatal(err)
				}
				for i := range n {
					if _, err := r.WaitService(b.Context(), events.Entity(fmt.Sprint("s", i)), state.Service.Serving); err != nil {
						b.Fatal(err)
					}
				}
				up := time.Since(began)
				began = time.Now()
				if err := r.Drain(b.Context(), "done"); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(up.Milliseconds()), "up-ms")
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "down-ms")
				r.end()
			}
		})
	}
}
