package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

var update = flag.Bool("update", false, "rewrite testdata and docs/cli.md")

func TestMain(m *testing.M) {
	if os.Getenv("CLI_TEST") == "hold" {
		hold()
	}
	testscript.Main(leakChecked{m}, map[string]func(){"launcher": program})
}

// leakChecked fails where a command left a goroutine behind, or a script a process,
// which it ends.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	for _, pid := range scriptProcesses() {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		fmt.Fprintf(os.Stderr, "a script left process %d behind: %s\n", pid, bytes.ReplaceAll(command, []byte{0}, []byte(" ")))
		_ = syscall.Kill(pid, syscall.SIGKILL)
		code = 1
	}
	if err := goleak.Find(testbus.Clock()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// scriptVar marks in the environment what the scripts of this process start.
const scriptVar = "TEST_SCRIPTS_OF"

// scriptProcesses are the processes that scripts started and that still run.
func scriptProcesses() []int {
	mark := fmt.Sprintf("%s=%d", scriptVar, os.Getpid())
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	var left []int
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), mark) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			left = append(left, pid)
		}
	}
	return left
}

// program is a launcher whose node is a script of stages.
func program() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(ExitCode(Exec(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, testApp())))
}

func testApp() App {
	return App{
		Name: "launcher", Version: "v1.2.3", Up: scriptedUp,
		End: func(_ context.Context, b Boot) (bool, error) { return false, config.RemoveNodeFile(b.Config.Layout()) },
		Pipelines: func(config.Node) ([]pipeline.Description, error) {
			return []pipeline.Description{
				{Name: "build", About: "build core binaries", Params: []pipeline.Param{{Name: "targets", About: "binaries to build"}}, Steps: pipeline.Graph{{Name: "compile"}}},
				{Name: "check", About: "check everything"},
			}, nil
		},
		Specs: func(n config.Node) spec.Dirs { return spec.Dirs{Root: n.Root, Extra: n.Specs} },
	}
}

// scriptedUp shows the stages that a boot would show. With TEST_UP=fail the
// second one fails; the node goes down when ctx ends, or at once with
// TEST_UP=once.
func scriptedUp(ctx context.Context, b Boot) error {
	stages := []string{"config", "bus", "services"}
	tell := func(i int, s render.StageState, detail string, took time.Duration) {
		b.Progress(StageEvent{Stage: stages[i], Index: i + 1, Total: len(stages), State: s, Detail: detail, Took: took})
	}
	tell(0, render.Starting, "", 0)
	tell(0, render.Progress, "building busd (1 of 2)", 0)
	tell(0, render.Ready, "", 12*time.Millisecond)
	tell(1, render.Starting, "", 0)
	if os.Getenv("TEST_UP") == "fail" {
		tell(1, render.Failed, "", 3*time.Second)
		tell(0, render.Stopping, "", 0)
		tell(0, render.Stopped, "", time.Millisecond)
		return &Problem{Err: errors.New("stage bus: the port is held by pid 1 (init)"), Fix: "stop pid 1, or choose another port with --bus.listen"}
	}
	tell(1, render.Ready, "", 34*time.Millisecond)
	tell(2, render.Starting, "", 0)
	tell(2, render.Ready, "", 150*time.Millisecond)
	if dir := os.Getenv("TEST_PIDS"); dir != "" {
		file := filepath.Join(dir, string(b.Config.Name))
		if err := flock.New(file).Lock(); err != nil { // until the process ends
			return err
		}
		if err := os.WriteFile(file, fmt.Append(nil, os.Getpid()), 0o600); err != nil {
			return err
		}
	}
	b.Up(Summary{
		BusURL: "nats://127.0.0.1:4222", EdgeURL: "http://127.0.0.1:8080", ConsoleURL: "http://console.localhost:8080/login?token=T",
		Took: 196 * time.Millisecond, Stages: []StageTime{{"config", 12 * time.Millisecond}, {"bus", 34 * time.Millisecond}, {"services", 150 * time.Millisecond}},
		State: upState(b.Config.Name),
	})
	if os.Getenv("TEST_UP") != "once" {
		<-ctx.Done()
	}
	for i := len(stages) - 1; i >= 0; i-- {
		tell(i, render.Stopping, "", 0)
		tell(i, render.Stopped, "", 2*time.Millisecond)
	}
	return nil
}

func upState(node events.Node) state.State {
	s := state.New(node)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, name := range []events.Entity{"config", "bus", "services"} {
		s.Stages[name] = state.Stage{Name: name, Index: i + 1, State: state.StageReady, Since: at}
	}
	s.Services["alpha"] = state.Service{
		ID: "alpha", Node: node, Source: events.Procd, State: state.ServiceRunning, Health: state.HealthHealthy, PID: 4711, Since: time.Now(),
		Desired: events.ServiceDesired{Enabled: true, Running: true}, Ports: []events.Port{{Name: "primary", Port: 8081}},
	}
	return s
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv(scriptVar, strconv.Itoa(os.Getpid()))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // a race-checked process takes a second to end otherwise
			pids := filepath.Join(e.WorkDir, "pids")
			e.Setenv("TEST_PIDS", pids)
			e.Defer(func() { endAll(t, pids) })
			web := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(e.WorkDir, "www"))))
			e.Setenv("WEB", web.URL)
			e.Defer(web.Close)
			return os.Mkdir(pids, 0o700)
		},
	})
}

// endAll ends the launchers that a script left in the background.
func endAll(t *testing.T, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		pid, err := strconv.Atoi(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if held, _ := flock.New(file).TryLock(); held {
			continue // it has ended
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Errorf("end the launcher with pid %d: %v", pid, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if ok, err := flock.New(file).TryLockContext(ctx, 5*time.Millisecond); !ok {
			t.Errorf("the launcher with pid %d goes on after SIGTERM: %v", pid, err)
		}
		cancel()
	}
}
