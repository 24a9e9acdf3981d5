package daemon_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testnode"
	"core.internal/shared/testutil/testproc"
)

// The test binary is also two daemons: one that idles and one that cannot work.
func TestMain(m *testing.M) {
	testproc.Main(testproc.Programs{
		"idle":   func([]string) { daemon.Main(testnode.Idle(events.Procd)) },
		"broken": func([]string) { daemon.Main(broken()) },
	})
	goleak.VerifyTestMain(m, testbus.Clock())
}

func broken() daemon.Definition {
	return daemon.Definition{
		Name: events.Procd, About: "cannot work",
		Run: func(context.Context, *daemon.Daemon) error { return errors.New("no room: make some") },
	}
}

const patience = 30 * time.Second

// rig is a bus and what an operator sees on it.
type rig struct {
	*testbus.Bus
	t    *testing.T
	op   *bus.Conn
	view *bus.View
	env  []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Bus: testbus.Start(t, events.Procd, events.Launcher), t: t}
	r.op = r.Connect(events.Operator)
	r.view = bus.NewView(r.op, testbus.Node)
	r.background(r.view.Run)
	r.env = []string{"CORE_ROOT=" + t.TempDir(), "CORE_BUS_URL=" + r.URL(), "CORE_BUS_SEED_FILE=" + r.Seed(events.Procd)}
	return r
}

func (r *rig) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-ended })
}

// running is a daemon in the test's own process.
type running struct {
	out  testproc.Buffer
	stop func() error // ends it and returns what Exec returned
	done chan struct{}
}

func (r *rig) exec(def daemon.Definition, more ...string) *running {
	ctx, cancel := context.WithCancel(context.Background())
	d := &running{done: make(chan struct{})}
	var err error
	go func() {
		defer close(d.done)
		err = daemon.Exec(ctx, def, nil, append(slices.Clone(r.env), more...), nil, io.Discard, &d.out)
	}()
	d.stop = sync.OnceValue(func() error { cancel(); <-d.done; return err })
	r.t.Cleanup(func() { d.stop() })
	return d
}

// ended is what Exec returns without being asked to.
func (d *running) ended(t *testing.T) error {
	t.Helper()
	select {
	case <-d.done:
		return d.stop()
	case <-time.After(patience):
		t.Fatalf("the daemon does not end:\n%s", &d.out)
		return nil
	}
}

func (r *rig) until(what string, ok func(state.State) bool) state.State {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	s, err := r.view.Wait(ctx, ok)
	if err != nil {
		r.t.Fatalf("%s: %v: %+v", what, err, s.Ready)
	}
	return s
}

func (r *rig) ready() state.Ready {
	r.t.Helper()
	return r.until("procd is ready", func(s state.State) bool { return s.Ready[events.Procd].Ready }).Ready[events.Procd]
}

func (r *rig) stopped() state.Ready {
	r.t.Helper()
	return r.until("procd has stopped", func(s state.State) bool {
		d := s.Ready[events.Procd]
		return !d.Ready && d.Reason != ""
	}).Ready[events.Procd]
}

// presence tells every change of procd's presence.
func (r *rig) presence() <-chan bus.Present {
	told := make(chan bus.Present, 100)
	r.background(func(ctx context.Context) error {
		return r.op.WatchPresence(ctx, testbus.Node, func(p bus.Present) {
			if p.Source == events.Procd {
				told <- p
			}
		})
	})
	return told
}

func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		var none T
		t.Fatalf("not within %s: %s", patience, what)
		return none
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// The exit status and the last line say what is wrong.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, tt := range []struct {
		program string
		args    []string
		code    int
		want    string
	}{
		{"idle", []string{"--bus.stoer", "file"}, 2, "procd: unknown flag --bus.stoer: did you mean --bus.store?\n"},
		{"idle", []string{"now"}, 2, "procd: unexpected argument \"now\": procd takes settings only, see --help\n"},
		{"idle", []string{"--log.level", "loud"}, 2, "procd: flag --log.level=\"loud\""},
		{"idle", []string{"--metrics.listen", l.Addr().String()}, 1,
			"procd: listen for metrics: listen tcp " + l.Addr().String() + ": bind: address already in use: choose another address with --metrics.listen\n"},
		{"idle", []string{"--help"}, 0, "procd: a daemon of a test that does nothing\n\nSettings, each also as CORE_… variable"},
		{"broken", nil, 1, "procd: no room: make some\n"},
	} {
		cmd := testproc.Command(t, tt.program, tt.args...)
		cmd.Env = append(cmd.Env, r.env...)
		out, err := cmd.CombinedOutput()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s %q: status %d, want %d with %q; said\n%s", tt.program, tt.args, code, tt.code, tt.want, out)
		}
	}
}

// What a daemon says of itself from its start to its end, on the bus and on
// loopback.
func TestLife(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	present := r.presence()
	begun, serve, told := make(chan string), make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var ill error
	d := r.exec(daemon.Definition{Name: events.Procd, Run: func(ctx context.Context, d *daemon.Daemon) error {
		d.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "own_figure"}, func() float64 { return 7 }))
		begun <- d.MetricsAddress
		<-serve
		d.Healthy(func() error { mu.Lock(); defer mu.Unlock(); return ill })
		if err := d.Ready(ctx, map[string]string{"http": "127.0.0.1:1"}); err != nil {
			return err
		}
		close(told)
		<-ctx.Done()
		return nil
	}})
	address := next(t, "the work begins", begun)
	if host, _, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" {
		t.Errorf("metrics at %s, want loopback", address)
	}
	health := func(code int, text string) {
		t.Helper()
		if c, body := get(t, "http://"+address+"/healthz"); c != code || body != text+"\n" {
			t.Errorf("/healthz: %d %q, want %d %q", c, body, code, text)
		}
	}
	health(http.StatusServiceUnavailable, "starting")
	if s := r.view.State(); s.Ready[events.Procd].Ready {
		t.Error("ready before it said so")
	}
	close(serve)
	next(t, "it is ready", told)
	got := r.ready()
	if got.PID != os.Getpid() || got.Version == "" || got.Addresses["metrics"] != address || got.Addresses["http"] != "127.0.0.1:1" {
		t.Errorf("ready: %+v", got)
	}
	if p := next(t, "presence", present); !p.Here || p.PID != os.Getpid() || p.Version != got.Version || p.Started.IsZero() {
		t.Errorf("present: %+v", p)
	}
	health(http.StatusOK, "ok")
	mu.Lock()
	ill = errors.New("out of room")
	mu.Unlock()
	health(http.StatusServiceUnavailable, "out of room")
	if c, body := get(t, "http://"+address+"/metrics"); c != http.StatusOK || !strings.Contains(body, "\nown_figure 7\n") || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("/metrics: %d\n%s", c, body)
	}

	if err := d.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if got := r.stopped(); got.Reason != "asked to stop" {
		t.Errorf("stopped: %+v", got)
	}
	if p := next(t, "absence", present); p.Here {
		t.Errorf("still present: %+v", p)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Errorf("%s still answers", address)
	}
	if !strings.Contains(d.out.String(), `"msg":"stopped"`) {
		t.Errorf("the log does not end:\n%s", &d.out)
	}
}

// A daemon that cannot go on says why, on the bus and to whoever started it.
func TestWorkFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.exec(broken()).ended(t); err == nil || err.Error() != "no room: make some" {
		t.Errorf("ended with %v", err)
	}
	if got := r.stopped(); got.Reason != "no room: make some" {
		t.Errorf("stopped: %+v", got)
	}
}

// A broker that cannot start is the daemon's end.
func TestBrokerFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cause := errors.New("no disk")
	err := r.exec(daemon.Definition{Name: events.Busd, Broker: func(context.Context, *daemon.Daemon) (bus.Options, func(), error) {
		return bus.Options{}, nil, cause
	}}).ended(t)
	if !errors.Is(err, cause) {
		t.Errorf("ended with %v", err)
	}
}

// A credential that the bus does not know is an error at once, which names it.
func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	foreign := t.TempDir()
	if err := bus.Mint(foreign, events.Procd); err != nil {
		t.Fatal(err)
	}
	seed := bus.SeedFile(foreign, events.Procd)
	r.env = append(r.env, "CORE_BUS_SEED_FILE="+seed)
	err := r.exec(testnode.Idle(events.Procd)).ended(t)
	var refused *bus.RefusedError
	if !errors.As(err, &refused) || refused.Seed != seed || refused.URL != r.URL() {
		t.Fatalf("ended with %v", err)
	}
	if want := "the public key of " + seed + " has to be in the bus's key directory"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%q lacks %q", err, want)
	}
}

// Without a bus, and without a credential yet, a daemon waits for them.
func TestWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Down()
	seed := filepath.Join(t.TempDir(), "late.nk")
	d := r.exec(testnode.Idle(events.Procd), "CORE_BUS_SEED_FILE="+seed)
	d.out.Await(t, "waiting for the bus: start one with `busd`, or name it with CORE_BUS_URL")
	d.out.Await(t, "no credential yet")
	b, err := os.ReadFile(r.Seed(events.Procd))
	if err == nil {
		err = os.WriteFile(seed, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Up()
	r.ready()
	if err := d.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// Who ends a daemon that still waits does not get an error.
func TestStoppedWhileWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Down()
	d := r.exec(testnode.Idle(events.Procd))
	d.out.Await(t, "waiting for the bus")
	if err := d.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// SIGTERM and SIGINT are requests to stop: the last fact says so, and the status is 0.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := newRig(t)
		present := r.presence()
		cmd := testproc.Command(t, "idle")
		cmd.Env = append(cmd.Env, r.env...)
		var out testproc.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if got := r.ready(); got.PID != cmd.Process.Pid {
			t.Errorf("ready: %+v, want pid %d", got, cmd.Process.Pid)
		}
		if p := next(t, "presence", present); !p.Here || p.PID != cmd.Process.Pid {
			t.Errorf("present: %+v", p)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: ended with %v\n%s", signal, err, &out)
		}
		if got := r.stopped(); got.Reason != "asked to stop" {
			t.Errorf("%v: stopped: %+v", signal, got)
		}
		if p := next(t, "absence", present); p.Here {
			t.Errorf("still present: %+v", p)
		}
	}
}

// A daemon outlives its bus: what it stated is there again, what it states in
// between comes late, and it is present.
func TestReconnects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	facts := make(chan *bus.Publisher, 1)
	d := r.exec(daemon.Definition{Name: events.Procd, Run: func(ctx context.Context, d *daemon.Daemon) error {
		if err := d.Ready(ctx, nil); err != nil {
			return err
		}
		facts <- d.Facts
		<-ctx.Done()
		return nil
	}})
	r.ready()
	publisher := next(t, "it is ready", facts)
	r.Down()
	publisher.State("alpha", events.ServiceRegistered{Name: "alpha", Digest: "0"}, "")
	r.Up()
	r.until("the late fact is there", func(s state.State) bool { return s.Services["alpha"].Registered.Name == "alpha" })
	r.ready()
	if p := next(t, "presence", r.presence()); !p.Here {
		t.Errorf("not present: %+v", p)
	}
	if err := d.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	d.out.Await(t, "the bus is back")
}

// Under a launcher a daemon states nothing before its stage has begun in this
// boot.
func TestAwaitsItsStage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn := r.Connect(events.Launcher)
	launcher := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Launcher})
	r.background(func(ctx context.Context) error { return launcher.Run(ctx, conn) })
	begins := func(stage events.Entity, boot events.ID) {
		launcher.State(stage, events.StageStarting{Index: 4}, boot)
		r.until("the launcher is heard", func(s state.State) bool { return s.Stages[stage].State == state.StageStarting })
	}
	begins("controller", "earlier")
	begun := make(chan struct{})
	d := r.exec(daemon.Definition{Name: events.Procd, Run: func(ctx context.Context, d *daemon.Daemon) error {
		close(begun)
		return testnode.Idle(events.Procd).Run(ctx, d)
	}}, "CORE_STAGE=controller", "CORE_BOOT=this")
	next(t, "the work begins", begun)
	begins("edge", "this")
	if s := r.view.State(); s.Ready[events.Procd].Ready {
		t.Error("ready before its stage")
	}
	begins("controller", "this")
	r.ready()
	if err := d.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	for record, err := range r.op.Events().Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e, err := events.DecodeRecord(record); err == nil && e.Type == (events.DaemonReady{}).EventType() && e.Cause != "this" {
			t.Errorf("ready because of %q", e.Cause)
		}
	}
}
