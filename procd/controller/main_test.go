package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/procd/controller"
	"core.internal/procd/process"
	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// The test binary is also procd, and also a service.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == process.Wrapper {
		process.Wrap()
	}
	testproc.Main(testproc.Programs{
		"procd":   func([]string) { daemon.Main(controller.Definition(process.Nursery())) },
		"service": func([]string) { service() },
	})
	goleak.VerifyTestMain(m, testbus.Clock())
}

// service answers HTTP where it is told, until it is asked to end. A file named
// "crash" in its data directory makes it end with status 3 at once.
func service() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if _, err := os.Stat(filepath.Join(os.Getenv("CORE_DATA_DIR"), "crash")); err == nil {
		fmt.Println("no more")
		os.Exit(3)
	}
	l, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening", os.Getenv("CORE_SERVICE"), os.Getenv("SECRET"))
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getpid())
	}))
	<-ctx.Done()
	os.Exit(0)
}

// rig is a bus, a node directory with specs, and procd.
type rig struct {
	t    testing.TB
	bus  *testbus.Bus
	op   *bus.Conn
	view *bus.View
	root string
	env  []string
}

func newRig(t *testing.T, specs map[string]string) *rig {
	t.Helper()
	r := &rig{t: t, bus: testbus.Start(t, events.Procd, events.Launcher), root: t.TempDir()}
	dir := filepath.Join(r.root, "specs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for id, more := range specs {
		if !strings.Contains(more, `"profiles"`) {
			more += `,"profiles":["default"]`
		}
		// A signal that it does not notice, and a start through the wrapper.
		with := `,"reloadSignal":"SIGWINCH","umask":"0027"`
		if id == "beta" {
			with = ""
		}
		text := fmt.Sprintf(`{"id":%q,
			"process":{"command":%q,"env":{"%s":"service","LISTEN":"127.0.0.1:{ports.primary}"}%s},
			"ports":{"primary":{"port":0,"protocol":"http"}},
			"health":{"type":"http","interval":"100ms"}%s}`, id, testproc.Self(t), testproc.Variable, with, more)
		if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.env = []string{
		"CORE_ROOT=" + r.root, "CORE_BUS_URL=" + r.bus.URL(), "CORE_BUS_SEED_FILE=" + r.bus.Seed(events.Procd),
		"CORE_WORKSPACE=" + t.TempDir(), "CORE_STOP_TIMEOUT=2s",
	}
	r.op = r.bus.Connect(events.Operator)
	r.view = r.newView()
	return r
}

// newView is what a shell sees that begins to look now.
func (r *rig) newView() *bus.View {
	view := bus.NewView(r.op, testbus.Node)
	testproc.Background(r.t, view.Run)
	return view
}

// write makes a spec.
func (r *rig) write(id, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.root, "specs", id+".json"), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// edit replaces a text in a spec.
func (r *rig) edit(id, old, new string) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.root, "specs", id+".json"))
	if err != nil || !strings.Contains(string(b), old) {
		r.t.Fatalf("%s is not in the spec of %s: %v", old, id, err)
	}
	r.write(id, strings.Replace(string(b), old, new, 1))
}

// inProcess runs procd in the test's own process; the returned function ends it.
func (r *rig) inProcess(more ...string) func() {
	ctx, cancel := context.WithCancel(context.Background())
	var out testproc.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Exec(ctx, controller.Definition(nil), nil, append(r.env, more...), nil, &out, &out)
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("procd: %v", err)
		}
		if r.t.Failed() {
			r.t.Log(out.String())
		}
	})
	r.t.Cleanup(stop)
	return stop
}

// child runs procd as a process of its own.
func (r *rig) child() *exec.Cmd {
	r.t.Helper()
	cmd := testproc.Command(r.t, "procd")
	cmd.Env = append(cmd.Env, r.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out testproc.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if r.t.Failed() {
			r.t.Log(out.String())
		}
	})
	return cmd
}

// launcher begins a boot of which procd is a part. The returned function states
// how far a stage is.
func (r *rig) launcher() func(stage events.Entity, b events.Body) {
	r.t.Helper()
	conn := r.bus.Connect(events.Launcher)
	facts := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: events.Launcher})
	testproc.Background(r.t, func(ctx context.Context) error { return facts.Run(ctx, conn) })
	r.env = append(r.env, "CORE_STAGE=controller", "CORE_BOOT=boot1")
	return func(stage events.Entity, b events.Body) {
		r.t.Helper()
		facts.State(stage, b, "boot1")
		if err := facts.Flush(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

const patience = 20 * time.Second

func (r *rig) until(what string, ok func(state.State) bool) state.State {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	s, err := r.view.Wait(ctx, ok)
	if err != nil {
		text, _ := json.MarshalIndent(state.Document(s), "", " ")
		r.t.Fatalf("%s: %v\n%s", what, err, text)
	}
	return s
}

func (r *rig) serving(ids ...events.Entity) state.State {
	r.t.Helper()
	return r.until(fmt.Sprint(ids, " serve"), func(s state.State) bool {
		for _, id := range ids {
			if !s.Services[id].Serving() {
				return false
			}
		}
		return true
	})
}

// ask sends a command and returns its final outcome.
func (r *rig) ask(id events.Entity, body events.Body) state.Outcome {
	r.t.Helper()
	return r.outcome(r.send(id, body))
}

func (r *rig) send(id events.Entity, body events.Body) events.ID {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	command, err := r.op.Send(ctx, events.CommandAddress{Node: testbus.Node, Target: events.Procd, Entity: id}, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return command
}

func (r *rig) outcome(command events.ID) state.Outcome {
	r.t.Helper()
	s := r.until("outcome", func(s state.State) bool {
		o, ok := s.Outcome(command)
		return ok && o.State.Final()
	})
	o, _ := s.Outcome(command)
	return o
}

func want(t *testing.T, o state.Outcome, st state.OutcomeState, reason string) {
	t.Helper()
	if o.State != st || o.Reason != reason {
		t.Errorf("%s of %s: %s %q, want %s %q", o.Verb, o.Entity, o.State, o.Reason, st, reason)
	}
}
