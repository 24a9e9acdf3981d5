package coordinator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"core.internal/shared/bus"
	"core.internal/shared/bus/server"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testproc"
)

// site is a real bus and a view of what happens on it.
type site struct {
	t      *testing.T
	dir    string
	config server.Config
	down   func() // takes the bus away
	shell  *bus.Conn
	view   *bus.View
}

func newSite(t *testing.T, store string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), config: server.Config{
		Node: node, Listen: "127.0.0.1:0", Store: store, StoreDir: t.TempDir(), Keys: t.TempDir(),
	}}
	for _, source := range []events.Source{events.Busd, events.Pipelined, events.Operator} {
		if err := bus.Mint(s.config.Keys, source); err != nil {
			t.Fatal(err)
		}
	}
	s.up()
	t.Cleanup(func() { s.down() })
	conn, err := bus.Connect(s.ctx(), s.options(events.Operator))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	s.shell, s.view = conn, bus.NewView(conn, node)
	s.background(s.view.Run)
	return s
}

// up starts the bus where it was.
func (s *site) up() {
	s.t.Helper()
	b, err := server.New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	stop := s.background(b.Run)
	select {
	case <-b.Ready():
	case <-s.ctx().Done():
		s.t.Fatal("the bus did not start")
	}
	s.config.Listen = strings.TrimPrefix(b.ClientURL(), "nats://")
	s.down = stop
}

func (s *site) options(name events.Source) bus.Options {
	return bus.Options{URL: "nats://" + s.config.Listen, Name: string(name), Seed: bus.SeedFile(s.config.Keys, name)}
}

// ctx bounds one wait of a test.
func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

// background runs fn until stopped, at the latest when the test ends.
func (s *site) background(fn func(context.Context) error) (stop func()) {
	return testproc.Background(s.t, fn)
}

func (s *site) child() childOptions {
	return childOptions{
		URL: "nats://" + s.config.Listen, Seed: bus.SeedFile(s.config.Keys, events.Pipelined), Dir: s.dir,
		Runs: 2, Steps: 2,
	}
}

// pipelined runs a coordinator in this process.
func (s *site) pipelined(options ...func(*childOptions)) (stop func()) {
	o := s.child()
	for _, option := range options {
		option(&o)
	}
	return s.background(o.run)
}

// spawn runs a coordinator in a process of its own.
func (s *site) spawn() *exec.Cmd {
	s.t.Helper()
	o, err := json.Marshal(s.child())
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "COORDINATOR_TEST=pipelined", "COORDINATOR_OPTIONS="+string(o))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// ask sends a request about a run.
func (s *site) ask(run events.Entity, body events.Body) events.ID {
	s.t.Helper()
	id, err := s.shell.Send(s.ctx(), events.CommandAddress{Node: node, Target: events.Pipelined, Entity: run}, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// outcome waits for a request's final outcome.
func (s *site) outcome(id events.ID) string {
	s.t.Helper()
	var o state.Outcome
	_, err := s.view.Wait(s.ctx(), func(st state.State) bool {
		got, ok := st.Outcome(id)
		o = got
		return ok && got.State.Final()
	})
	if err != nil {
		s.t.Fatalf("no outcome of %s: %v; it is %+v", id, err, o)
	}
	return strings.TrimSuffix(fmt.Sprintf("%s %s: %s", o.Verb, o.State, o.Reason), ": ")
}

// until waits for a state of a run.
func (s *site) until(run events.Entity, ok func(state.Run) bool) state.Run {
	s.t.Helper()
	st, err := s.view.Wait(s.ctx(), func(st state.State) bool {
		r, there := st.Runs[run]
		return there && ok(r)
	})
	if err != nil {
		s.t.Fatalf("%v; run %s is %+v", err, run, st.Runs[run])
	}
	return st.Runs[run]
}

func running(step string) func(state.Run) bool {
	return func(r state.Run) bool {
		for _, s := range r.Steps {
			if s.Name == step {
				return s.State == events.StepRunning
			}
		}
		return false
	}
}

// show is a run's steps in one line.
func show(r state.Run) string {
	words := []string{r.Pipeline, string(r.State)}
	for _, s := range r.Steps {
		words = append(words, s.Name+"="+string(s.State))
	}
	return strings.Join(words, " ")
}

// pid reads what a process of a step says of itself.
func (s *site) pid(run events.Entity) int {
	s.t.Helper()
	var pid int
	found := errors.New("found")
	err := s.shell.Lines(s.ctx(), bus.Lines{Node: node, Entity: run, Follow: true}, func(_ events.LogAddress, l events.LogLine) error {
		if n, _ := fmt.Sscanf(l.Text, "waiting %d", &pid); n == 1 {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		s.t.Fatalf("run %s said no pid: %v", run, err)
	}
	return pid
}

// gone waits until a process has ended, and fails where it does not.
func (s *site) gone(pid int) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, after, _ := strings.Cut(string(stat), ") "); err != nil || strings.HasPrefix(after, "Z") {
			return
		}
		<-time.After(2 * time.Millisecond)
	}
	s.t.Errorf("process %d still runs", pid)
}

// journal lists what the bus has of a run: subject tokens after the run's name.
func (s *site) journal(run events.Entity) []string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx())
	var lines []string
	err := s.shell.Follow(ctx, bus.Follow{Stream: events.StreamRuns, Filter: events.AllRuns, Live: cancel}, func(r events.Record) error {
		e, err := events.DecodeRecord(r)
		if err != nil {
			return err
		}
		if e.Entity == run {
			_, rest, _ := strings.Cut(string(r.Subject), "."+string(run)+".")
			lines = append(lines, rest)
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		s.t.Fatal(err)
	}
	return lines
}

// awaitJournal waits until the bus has n entries of a run.
func (s *site) awaitJournal(run events.Entity, n int) {
	s.t.Helper()
	enough := errors.New("enough")
	err := s.shell.Follow(s.ctx(), bus.Follow{Stream: events.StreamRuns, Filter: events.AllRuns}, func(r events.Record) error {
		if e, err := events.DecodeRecord(r); err == nil && e.Entity == run {
			n--
		}
		if n == 0 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		s.t.Fatalf("%d entries of run %s are missing: %v", n, run, err)
	}
}

func (s *site) write(name string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(elem ...string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{s.dir}, elem...)...))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func awaitFile(ctx context.Context, file string) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(file)); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-w.Events:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
