package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

func TestStageErrorText(t *testing.T) {
	cause := errors.New("no room")
	for _, tt := range []struct {
		err  StageError
		want string
	}{
		{StageError{Stage: "bus", Err: cause}, "stage bus: no room"},
		{StageError{Stage: "bus", Err: cause, Fix: "make room"}, "stage bus: no room\nfix: make room"},
		{StageError{Stage: "bus", Err: cause, LastLines: []string{"one", "two"}, Fix: "make room"},
			"stage bus: no room\nlast log lines:\n  one\n  two\nfix: make room"},
	} {
		if got := tt.err.Error(); got != tt.want || !errors.Is(&tt.err, cause) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestLockedErrorText(t *testing.T) {
	for pid, want := range map[int]string{0: "held by another process:", 7: "held by the launcher with pid 7:"} {
		got := (&LockedError{Dir: "/n", PID: pid}).Error()
		if !strings.HasPrefix(got, "the node directory /n is "+want) || !strings.HasSuffix(got, "`launcher down` takes it down") {
			t.Errorf("pid %d: %q", pid, got)
		}
	}
}

// A stage that takes too long says so, whatever else it says; one that is
// patient may take its time.
func TestStageTimeout(t *testing.T) {
	explained := &StageError{Err: errors.New("alpha is starting"), Fix: "look at alpha"}
	for _, tt := range []struct {
		name    string
		patient bool
		err     func(context.Context) error // what the stage returns after 2 s, or when its context has ended
		want    string
	}{
		{"its own cause", false, func(ctx context.Context) error { return context.Cause(ctx) }, "stage s: not ready within 1s (stage.timeout)"},
		{"another cause", false, func(ctx context.Context) error { return fmt.Errorf("wait: %w", ctx.Err()) },
			"stage s: not ready within 1s (stage.timeout): wait: context deadline exceeded"},
		{"explained", false, func(context.Context) error { return explained },
			"stage s: not ready within 1s (stage.timeout): alpha is starting\nfix: look at alpha"},
		{"patient", true, func(ctx context.Context) error { return fmt.Errorf("after all: %w", errors.ErrUnsupported) }, "stage s: after all: unsupported operation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New(Options{Config: config.Node{Name: "test", StageTimeout: time.Second}})
				s := stage{name: "s", patient: tt.patient}
				err := n.within(t.Context(), s, func(ctx context.Context) error {
					select {
					case <-ctx.Done():
					case <-time.After(2 * time.Second):
					}
					return tt.err(ctx)
				})
				if got := n.failure(s, err).Error(); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// Whoever ends a boot is not told that a stage took too long.
func TestStageCancelled(t *testing.T) {
	n := New(Options{Config: config.Node{Name: "test", StageTimeout: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := n.within(ctx, stage{name: "s"}, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

// down takes every stage, though one cannot be taken down, and names it.
func TestTakeDownGoesOn(t *testing.T) {
	var told, done []string
	n := New(Options{Config: config.Node{Name: "test"}, Progress: func(e Event) { told = append(told, fmt.Sprint(e.Stage, " ", e.State)) }})
	down := func(name string, err error) stage {
		return stage{name: name, down: func(context.Context) error { done = append(done, name); return err }}
	}
	clings := errors.New("it clings")
	err := n.takeDown(t.Context(), []stage{down("a", nil), down("b", clings), {name: "c"}, down("d", nil)}, nil)
	if !errors.Is(err, clings) || err.Error() != "take down stage b: it clings" {
		t.Errorf("got %v", err)
	}
	if want := []string{"d", "b", "a"}; !slices.Equal(done, want) {
		t.Errorf("took down %v, want %v", done, want)
	}
	if want := []string{"d stopping", "d stopped", "c stopping", "c stopped", "b stopping", "b stopped", "a stopping", "a stopped"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestDescribe(t *testing.T) {
	for want, e := range map[string]events.ServiceExited{
		"exit status 3":    {Code: 3},
		"ended by SIGKILL": {Code: -1, Signal: "SIGKILL"},
		"no such file":     {Code: -1, Signal: "SIGKILL", Reason: "no such file"},
	} {
		if got := describe(e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Daemons have this launcher's settings and not those that it was started with.
func TestWithoutSettings(t *testing.T) {
	got := withoutSettings([]string{"HOME=/", "CORE_BUS_URL=nats://elsewhere:1", "CORELESS=1", "PATH=/bin"})
	if want := []string{"HOME=/", "CORELESS=1", "PATH=/bin"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without a holder that can be seen the port's own error stays.
func TestPortError(t *testing.T) {
	cause := errors.New("not allowed")
	for _, address := range []string{"nowhere", "127.0.0.1:1"} {
		err := portError("edge.listen", address, cause)
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "edge.listen "+address+": not allowed\nfix: stop what holds the port, or choose another with --edge.listen") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A URL is asked until it is well; the last answer says why it never was.
func TestGet(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 || r.Host != "alpha.localhost" {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
		io.WriteString(w, "ok")
	}))
	defer s.Close()
	n := New(Options{})
	if err := n.get(t.Context(), s.URL, "alpha.localhost"); err != nil || asked != 3 {
		t.Errorf("after %d: %v", asked, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.get(ctx, s.URL, "alpha.localhost"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := getOnce(t.Context(), &client, s.URL, "beta.localhost"); err == nil || !strings.HasSuffix(err.Error(), "(host beta.localhost): 503 Service Unavailable: not yet\nok") {
		t.Errorf("got %v", err)
	}
}

// When the stage of the services ends, and how.
func TestUnsettled(t *testing.T) {
	began := time.Now()
	wanted := events.ServiceDesired{Enabled: true, Running: true}
	service := func(st state.ServiceState, more func(*state.Service)) state.Service {
		s := state.Service{ID: "alpha", Desired: wanted, State: st, Health: state.HealthUnknown}
		if st == state.ServiceRunning {
			s.Health, s.HealthyAt = state.HealthHealthy, began.Add(time.Second)
		}
		if more != nil {
			more(&s)
		}
		return s
	}
	exposed := func(s *state.Service) { s.Registered.Routes = []events.Route{{Hosts: []string{"alpha.localhost"}}} }
	for _, tt := range []struct {
		name    string
		service state.Service
		route   state.RouteState
		adopted bool
		settled bool
	}{
		{"healthy", service(state.ServiceRunning, nil), "", false, true},
		{"not checked yet", service(state.ServiceRunning, func(s *state.Service) { s.Health = state.HealthUnknown }), "", false, false},
		{"unhealthy", service(state.ServiceRunning, func(s *state.Service) { s.Health = state.HealthUnhealthy }), "", false, false},
		{"healthy in an earlier life", service(state.ServiceRunning, func(s *state.Service) { s.HealthyAt = began.Add(-time.Second) }), "", false, false},
		{"healthy since before the launcher was", service(state.ServiceRunning, func(s *state.Service) { s.HealthyAt = began.Add(-time.Second) }), "", true, true},
		{"exposed and not routed to yet", service(state.ServiceRunning, exposed), "", false, false},
		{"exposed and routed to", service(state.ServiceRunning, exposed), state.RouteOpen, false, true},
		{"exposed and closed", service(state.ServiceRunning, exposed), state.RouteClosed, false, false},
		{"exposed and refused", service(state.ServiceRunning, exposed), state.RouteRefused, false, true},
		{"not wanted", service(state.ServiceIdle, func(s *state.Service) { s.Desired = events.ServiceDesired{} }), "", false, true},
		{"completed", service(state.ServiceCompleted, nil), "", false, true},
		{"failed", service(state.ServiceFailed, nil), "", false, true},
		{"in backoff", service(state.ServiceBackoff, nil), "", false, false},
		{"waits for one that starts", service(state.ServiceWaiting, func(s *state.Service) { s.Registered.Dependencies = []string{"starts"} }), "", false, false},
		{"waits for one that failed", service(state.ServiceWaiting, func(s *state.Service) { s.Registered.Dependencies = []string{"failed"} }), "", false, true},
		{"waits for one that waits for one that failed", service(state.ServiceWaiting, func(s *state.Service) { s.Registered.Dependencies = []string{"held"} }), "", false, true},
		{"waits for a condition", service(state.ServiceWaiting, func(s *state.Service) { s.Registered.Dependencies = []string{"core.bus"} }), "", false, false},
	} {
		n := New(Options{Config: config.Node{Name: "test"}})
		n.began, n.adopted[events.Procd] = began, tt.adopted
		all := state.State{
			Services: map[events.Entity]state.Service{
				"alpha":  tt.service,
				"failed": {ID: "failed", Desired: wanted, State: state.ServiceFailed},
				"held":   {ID: "held", Desired: wanted, State: state.ServiceWaiting, Registered: events.ServiceRegistered{Dependencies: []string{"failed"}}},
				"starts": {ID: "starts", State: state.ServiceStarting},
			},
			Routes: map[events.Entity]state.Route{"alpha": {State: tt.route}},
		}
		if got := n.settled(all); got != tt.settled {
			t.Errorf("%s: settled %t", tt.name, got)
		}
	}
}

// Where the console and the edge are to be found.
func TestAddresses(t *testing.T) {
	console := state.Service{Ports: []events.Port{{Port: 1234}}}
	c := config.Node{Name: "test", BusListen: "127.0.0.1:1", EdgeListen: net.JoinHostPort("127.0.0.1", "8080")}
	for _, tt := range []struct {
		omit                []events.Source
		bus                 string
		wantBus, con, probe string
	}{
		{nil, "", "nats://127.0.0.1:1", "http://console.localhost:8080", "http://127.0.0.1:8080"},
		{[]events.Source{events.Caddyd}, "nats://elsewhere:4222", "nats://elsewhere:4222", "http://127.0.0.1:1234", "http://127.0.0.1:1234"},
	} {
		c.BusURL = tt.bus
		n := New(Options{Config: c, Omit: tt.omit})
		if n.busURL() != tt.wantBus || n.consoleURL(console) != tt.con || n.probeURL(console) != tt.probe {
			t.Errorf("bus %s, console %s, probed at %s", n.busURL(), n.consoleURL(console), n.probeURL(console))
		}
		if n.omitted(events.Busd) != (tt.bus != "") {
			t.Errorf("with bus.url %q: busd left out: %v", tt.bus, n.omitted(events.Busd))
		}
	}
}
