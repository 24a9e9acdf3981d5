package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testproc"
)

// node is a real bus whose daemons the test plays.
type node struct {
	t         *testing.T
	bus       *testbus.Bus
	procd     *bus.Publisher
	pipelined *bus.Publisher
	launcher  *bus.Publisher
	lines     *bus.Conn // procd's connection
	steps     *bus.Conn // pipelined's connection
}

// startNode plays a node with the services alpha, which obeys, beta, which
// refuses, and gamma, which never answers.
func startNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, bus: testbus.Start(t, events.Launcher, events.Procd, events.Pipelined)}
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	play := func(source events.Source, handle func(*bus.Conn, *bus.Publisher, bus.Command)) (*bus.Conn, *bus.Publisher) {
		c := n.bus.Connect(source)
		p := bus.NewPublisher(bus.PublisherOptions{Node: testbus.Node, Source: source})
		g.Go(func() error { return p.Run(ctx, c) })
		g.Go(func() error {
			return c.ServeCommands(ctx, testbus.Node, source, func(_ context.Context, r bus.Command) error {
				handle(c, p, r)
				return nil
			})
		})
		return c, p
	}
	n.lines, n.procd = play(events.Procd, playProcd)
	n.steps, n.pipelined = play(events.Pipelined, playPipelined)
	_, n.launcher = play(events.Launcher, func(_ *bus.Conn, p *bus.Publisher, r bus.Command) {
		p.State(r.Entity, events.CommandAccepted{Verb: r.Type.Verb()}, r.ID)
		p.State("bus", events.StageStopping{Index: 1}, "boot")
		p.State("bus", events.StageStopped{Index: 1, TookMS: 2}, "boot")
		p.State(r.Entity, events.CommandCompleted{Verb: r.Type.Verb()}, r.ID)
	})
	t.Cleanup(func() {
		cancel()
		_ = g.Wait() // they end because of cancel
	})
	n.procd.State("procd", events.DaemonReady{PID: 1, Version: "v"}, "boot")
	n.launcher.State("bus", events.StageReady{Index: 1, TookMS: 12}, "boot")
	for _, id := range []events.Entity{"alpha", "beta", "gamma"} {
		n.procd.State(id, events.ServiceRegistered{Name: string(id), Digest: "d"}, "")
		n.procd.State(id, events.ServiceDesired{Enabled: true, Running: true}, "")
	}
	n.procd.State("gamma", events.ServiceWaiting{Reason: "waiting for beta"}, "")
	n.flush()
	return n
}

func playProcd(c *bus.Conn, p *bus.Publisher, r bus.Command) {
	switch r.Entity {
	case "alpha":
		p.State("alpha", events.ServiceStarting{Instance: "i1"}, r.ID)
		p.State("alpha", events.ServiceStarted{Instance: "i1", PID: 4711}, r.ID)
		p.State("alpha", events.ServiceHealthy{Instance: "i1"}, r.ID)
		p.State("alpha", events.CommandCompleted{Verb: r.Type.Verb()}, r.ID)
	case "beta":
		p.State("beta", events.CommandRejected{Verb: r.Type.Verb(), Reason: "not on a Sunday"}, r.ID)
	}
}

func playPipelined(c *bus.Conn, p *bus.Publisher, r bus.Command) {
	switch body := r.Body.(type) {
	case events.RunPipeline:
		if body.Pipeline != "build" {
			p.State(r.Entity, events.CommandRejected{Verb: "run", Reason: fmt.Sprintf("unknown pipeline %q: did you mean \"build\"?", body.Pipeline)}, r.ID)
			return
		}
		end, steps := events.StepCompleted, []events.StepStatus{{Name: "compile", State: events.StepCompleted}}
		if body.Params["targets"] == "nonsense" {
			end, steps = events.StepFailed, []events.StepStatus{{Name: "compile", State: events.StepFailed, Reason: "no such target"}}
		}
		p.State(r.Entity, events.CommandAccepted{Verb: "run"}, r.ID)
		p.State(r.Entity, events.RunStarted{Pipeline: "build", Params: body.Params, Steps: []events.StepStatus{{Name: "compile", State: events.StepPending}}}, r.ID)
		c.PublishLine(testbus.Node, r.Entity, "compile", events.LogLine{Time: time.Now(), Text: "go build ./busd"})
		p.State(r.Entity, events.RunEnded{Pipeline: "build", State: end, Reason: steps[0].Reason, Steps: steps}, r.ID)
	case events.CancelRun:
		p.State(r.Entity, events.CommandFailed{Verb: "cancel", Reason: "the run ended before it could be cancelled"}, r.ID)
	}
}

func (n *node) flush() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 10*time.Second)
	defer cancel()
	for _, p := range []*bus.Publisher{n.procd, n.launcher, n.pipelined} {
		if err := p.Flush(ctx); err != nil {
			n.t.Fatal(err)
		}
	}
}

// exec runs one command against the node.
func (n *node) exec(ctx context.Context, stdout, stderr *testproc.Buffer, args ...string) int {
	args = append(args, "--bus.url", n.bus.URL(), "--bus.seed-file", n.bus.Seed(events.Operator), "--root", n.t.TempDir())
	return ExitCode(Exec(ctx, args, nil, nil, stdout, stderr, testApp()))
}

// run runs one command and returns what it printed.
func (n *node) run(args ...string) (code int, stdout, stderr string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	var out, err testproc.Buffer
	code = n.exec(ctx, &out, &err, args...)
	return code, out.String(), err.String()
}

// expect runs a command and looks for texts in what it prints; those that begin
// with "!" must not be there.
func (n *node) expect(code int, args string, texts ...string) {
	n.t.Helper()
	got, stdout, stderr := n.run(strings.Fields(args)...)
	if got != code {
		n.t.Errorf("%s: status %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	for _, text := range texts {
		text, not := strings.CutPrefix(text, "!")
		if strings.Contains(stdout+stderr, text) == not {
			n.t.Errorf("%s: %q (wanted: %t) in\n%s%s", args, text, !not, stdout, stderr)
		}
	}
}

// Of several services each has its own time, whoever is told of first.
func TestVerbTimes(t *testing.T) {
	n := startNode(t)
	n.procd.State("able", events.ServiceRegistered{Name: "able", Digest: "d"}, "")
	n.flush()
	code, out, _ := n.run("restart", "able", "alpha", "--timeout", "2s")
	took := regexp.MustCompile(`alpha  restart completed: .* \((.*)\)\n`).FindStringSubmatch(out)
	if code != 1 || !strings.Contains(out, "able  restart no outcome within 2s") || took == nil {
		t.Fatalf("status %d\n%s", code, out)
	}
	if d, err := time.ParseDuration(took[1]); err != nil || d > 1800*time.Millisecond {
		t.Errorf("alpha took as long as able: %s, %v", d, err)
	}
}

func TestVerbs(t *testing.T) {
	n := startNode(t)
	n.expect(0, "restart alpha", "alpha  restart completed: running, healthy, pid 4711 (")
	n.expect(1, "stop alpha beta", "alpha  stop completed", "beta  stop rejected: not on a Sunday")
	n.expect(1, "start gamma --timeout 50ms", "gamma  start no outcome within 50ms: waiting, waiting for beta")
	n.expect(0, "disable gamma --wait=false", "gamma  disable requested")
	n.expect(1, "restart alhpa", `error: unknown service "alhpa": did you mean "alpha"?`)
	// Nothing is asked for where one name is wrong.
	n.expect(1, "enable alpha nobody", `unknown service "nobody": there are alpha, beta, gamma`, "!alpha  enable")

	ctx, cancel := context.WithCancel(t.Context())
	var out, errs testproc.Buffer
	done := make(chan int, 1)
	go func() { done <- n.exec(ctx, &out, &errs, "restart", "alpha", "gamma") }()
	out.Await(t, "alpha  restart completed")
	cancel()
	if code := <-done; code != ExitInterrupted {
		t.Errorf("interrupted: status %d\n%s", code, errs.String())
	}
}

func TestStatus(t *testing.T) {
	n := startNode(t)
	n.expect(0, "status", "node local  degraded  0 of 3 services healthy", "SERVICE  DESIRED", "gamma    enabled  waiting", "waiting for beta")
	_, stdout, _ := n.run("status", "--output", "json")
	var document state.Status
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || document.Version != state.StatusVersion || len(document.Services) != 3 {
		t.Errorf("document %+v: %v", document, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var out, errs testproc.Buffer
	done := make(chan int, 1)
	go func() { done <- n.exec(ctx, &out, &errs, "status", "--watch") }()
	out.Await(t, "SERVICE  DESIRED")
	n.procd.State("beta", events.ServiceExhausted{Reason: "5 exits within 1m"}, "")
	out.Await(t, "service beta  failed, 5 exits within 1m\n")
	cancel()
	if code := <-done; code != ExitInterrupted || errs.String() != "" {
		t.Errorf("watch ended with status %d: %s", code, errs.String())
	}
}

func TestEvents(t *testing.T) {
	n := startNode(t)
	n.expect(0, "events", "     1  ", "launcher    bus           stage.ready         index=1 took_ms=12", `procd       gamma         service.waiting     reason="waiting for beta"`)
	n.expect(0, "events --service gamma", "service.waiting", "!alpha", "!stage.ready")
	n.expect(0, "events --service procd", "service.waiting", "!stage.ready")
	n.expect(0, "events --since 1h --service bus", "stage.ready")
	n.expect(0, "events --since 2100-01-01T00:00:00Z", "!service")
	all := 0
	for _, since := range []string{"0", "1", "3"} {
		_, stdout, _ := n.run("events", "--output", "jsonl", "--since", since)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		var first struct {
			Seq  uint64
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Type == "" || len(first.Data) == 0 {
			t.Fatalf("first line %q: %v", lines[0], err)
		}
		if since == "3" && (first.Seq != 3 || len(lines) != all-2) {
			t.Errorf("--since 3 begins at %d and has %d of %d lines", first.Seq, len(lines), all)
		}
		all = len(lines)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var out, errs testproc.Buffer
	done := make(chan int, 1)
	go func() { done <- n.exec(ctx, &out, &errs, "events", "--follow", "--service", "alpha") }()
	out.Await(t, "service.desired")
	n.procd.State("alpha", events.ServiceStarting{Instance: "next"}, "")
	out.Await(t, "instance=next")
	cancel()
	if code := <-done; code != ExitInterrupted {
		t.Errorf("events --follow ended with status %d", code)
	}
}

func TestLogs(t *testing.T) {
	n := startNode(t)
	for i := range 3 {
		n.lines.PublishLine(testbus.Node, "alpha", "stdout", events.LogLine{Time: time.Now(), Text: fmt.Sprintf("line %d", i)})
	}
	n.lines.PublishLine(testbus.Node, "alpha", "stderr", events.LogLine{Time: time.Now(), Raw: []byte{0xff, 'x'}, Dropped: 7})
	if err := n.lines.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	n.expect(0, "logs alpha", "line 0\nline 1\nline 2\n\xffx\n", "note: 7 lines came too fast to travel")
	n.expect(0, "logs alpha --tail 2", "!line 0", "!line 1", "line 2")
	n.expect(0, "logs alpha --since 1h --output jsonl", `"entity":"alpha","stream":"stdout","text":"line 1"}`, `"stream":"stderr","text":"","raw":"/3g=","dropped":7}`)
	n.expect(1, "logs alhpa", `unknown service "alhpa": did you mean "alpha"?`)
	n.expect(2, "logs alpha --tail -1", "want 0 or more")
	n.expect(2, "logs alpha --level loud", "want one of trace, debug, info, warn, error, fatal")
	n.expect(2, "logs alpha --grep (", "flag --grep=\"(\": error parsing regexp")
	n.expect(2, "logs alpha --until soon", "flag --until=\"soon\"")
	n.expect(2, "logs alpha --until 1s --follow", "have no end")
	n.expect(2, "logs", "which service?")
	n.expect(0, "logs alpha --grep ^line.[02]", "line 0\nline 2\n", "!line 1")
	n.expect(0, "logs alpha --grep ^line --tail 1", "line 2\n", "!line 1", "!\xff")
	n.expect(0, "logs alpha --until 1h", "!line")
	for i, level := range events.Levels() {
		n.lines.PublishLine(testbus.Node, "beta", "stdout", events.LogLine{Time: time.Now(), Level: level, Text: fmt.Sprintf("{\"msg\":\"m%d\"}\n\tat %d", i, i), Cut: i})
	}
	if err := n.lines.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	n.expect(0, "logs beta --level WARN", "!m2", "m3", "m4", "\tat 5… (5 bytes more are in the log file)\n")
	n.expect(0, "logs beta --level fatal --output jsonl", `"entity":"beta","stream":"stdout","level":"fatal","msg":"m5","text":"{\"msg\":\"m5\"}\n\tat 5","cut":5}`, "!m4")
	n.expect(0, "logs beta alpha --tail 3", "beta  | {\"msg\":\"m3\"}\nbeta  | \tat 3… (3 bytes", "!alpha | line 2")
	n.expect(0, "logs alpha beta alpha", "alpha | line 0\nalpha | line 1", "beta  | {\"msg\":\"m0\"}\nbeta  | \tat 0\n")
	n.expect(1, "logs alpha alhpa", `unknown service "alhpa"`)
	n.expect(2, "logs ../alpha", "use letters, digits")

	ctx, cancel := context.WithCancel(t.Context())
	var out, errs testproc.Buffer
	done := make(chan int, 1)
	go func() { done <- n.exec(ctx, &out, &errs, "logs", "alpha", "--follow", "--tail", "1") }()
	out.Await(t, "x\n")
	n.lines.PublishLine(testbus.Node, "alpha", "stdout", events.LogLine{Time: time.Now(), Text: "another"})
	out.Await(t, "another\n")
	cancel()
	if code := <-done; code != ExitInterrupted {
		t.Errorf("logs --follow ended with status %d", code)
	}
}

func TestPipelines(t *testing.T) {
	n := startNode(t)
	n.expect(0, "pipeline list", "PIPELINE  STEPS  ABOUT", "build         1  build core binaries  targets    binaries to build")
	code, stdout, stderr := n.run("pipeline", "run", "build", "targets=busd", "--follow")
	name := strings.TrimSpace(stdout)
	if code != 0 || !strings.HasPrefix(name, "build-") || strings.Contains(name, "\n") {
		t.Fatalf("run: status %d\n%s%s", code, stdout, stderr)
	}
	if strings.Count(stderr, "[compile] go build ./busd") != 1 || !strings.Contains(stderr, "compile  completed") {
		t.Errorf("output and steps are not shown once:\n%s", stderr)
	}
	n.expect(0, "pipeline status", name, "completed", "1 of 1 steps")
	n.expect(0, "pipeline status "+name, "STEP", "compile  completed")
	n.expect(0, "pipeline status --output json "+name, `"pipeline": "build"`)
	n.expect(0, "pipeline logs "+name, "[compile] go build ./busd")
	n.expect(1, "pipeline status build-0", `unknown run "build-0"`)
	n.expect(1, "pipeline cancel "+name, "cancel run "+name+": failed: the run ended before it could be cancelled")
	n.expect(1, "pipeline run biuld", `error: unknown pipeline "biuld": did you mean "build"?`)
	n.expect(1, "pipeline run build targets=nonsense --follow", "failed: no such target", "fix: `launcher pipeline logs build-")
}

func TestDown(t *testing.T) {
	n := startNode(t)
	n.expect(0, "down", "[1/1] bus         stopped   2.0ms", "node local is down in")
}

// What a launcher left that is gone is noted, and ended by down.
func TestDownWithoutALauncher(t *testing.T) {
	n := startNode(t)
	root := t.TempDir()
	layout := config.Layout{Dir: filepath.Join(root, string(testbus.Node))}
	if err := os.MkdirAll(layout.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := config.WriteNodeFile(layout, config.NodeFile{Version: config.NodeFileVersion, PID: 4711, BusURL: n.bus.URL()}); err != nil {
		t.Fatal(err)
	}
	ran, failure := true, error(nil)
	app := testApp()
	app.End = func(ctx context.Context, b Boot) (bool, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("asked to end without a limit")
		}
		if b.Config.Layout() != (config.Layout{Dir: layout.Dir, Root: root}) {
			t.Errorf("asked to end %+v", b.Config.Layout())
		}
		b.Progress(StageEvent{Stage: "bus", Index: 2, Total: 7, State: render.Stopped, Took: time.Millisecond})
		return ran, failure
	}
	run := func(code int, command string, texts ...string) {
		t.Helper()
		var out, errs testproc.Buffer
		args := append(strings.Fields(command), "--root", root, "--bus.seed-file", n.bus.Seed(events.Operator))
		if got := ExitCode(Exec(t.Context(), args, nil, nil, &out, &errs, app)); got != code {
			t.Errorf("%s: status %d, want %d", command, got, code)
		}
		for _, text := range texts {
			if all := errs.String() + out.String(); !strings.Contains(all, text) {
				t.Errorf("%s: no %q in\n%s", command, text, all)
			}
		}
	}
	note := "note: the launcher (pid 4711) is gone and its daemons run on: `launcher up` takes them over, `launcher down` ends them\n"
	run(0, "status", note, "node local")
	run(0, "status --output json", note, "\"launcher\": {\n    \"pid\": 4711,\n    \"running\": false\n  }")
	run(0, "events", note)
	run(0, "restart alpha", note)
	var out, errs testproc.Buffer
	words := []string{"__complete", "--", "restart", "--root=" + root, "--bus.seed-file=" + n.bus.Seed(events.Operator), "a"}
	if err := Exec(t.Context(), words, nil, nil, &out, &errs, app); err != nil || !strings.Contains(out.String(), "alpha") || errs.String() != "" {
		t.Errorf("%v: %q, and on standard error %q", err, out.String(), errs.String())
	}

	gone := `note: the launcher of node "local" (pid 4711) is gone: taking down what it left` + "\n"
	run(0, "down", gone, "[2/7] bus         stopped   1.0ms\n", "node local is down in ")
	ran = false
	run(0, "down", gone, "node local was down already: removed what was left of it in "+layout.Dir)
	failure = fmt.Errorf("wait: %w", context.DeadlineExceeded)
	run(1, "down --timeout 1ns", gone, `error: node "local" is not down after 1ns`, "`launcher down` goes on with what is left; --timeout waits longer")
	run(1, "down", gone, "error: wait: context deadline exceeded")
	failure = errors.New("take down stage edge: it clings")
	run(1, "down", gone, "error: take down stage edge: it clings")
	if err := config.RemoveNodeFile(layout); err != nil {
		t.Fatal(err)
	}
	run(0, "down", `note: node "local" is not running in `)
	// Without the node's file there may be processes all the same.
	if err := os.WriteFile(filepath.Join(layout.Run(), "alpha.proc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ran, failure = true, nil
	run(0, "down", `note: the launcher of node "local" is gone: taking down what it left`, "node local is down in ")
}

// A damaged credential is not taken for a node that does not answer.
func TestDamagedCredential(t *testing.T) {
	n := startNode(t)
	for what, spoil := range map[string]func(file string) error{
		"is empty":                             func(file string) error { return os.Truncate(file, 0) },
		"is no nkey seed of a user":            func(file string) error { return os.Truncate(file, 20) },
		"has mode 0644 and others may read it": func(file string) error { return os.Chmod(file, 0o644) },
	} {
		root := t.TempDir()
		keys := config.Layout{Dir: filepath.Join(root, string(testbus.Node))}.Keys()
		if err := bus.Mint(keys, events.Operator); err != nil {
			t.Fatal(err)
		}
		seed := bus.SeedFile(keys, events.Operator)
		if err := spoil(seed); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--root", root}, {"--bus.seed-file", seed}} {
			var out, errs testproc.Buffer
			code := ExitCode(Exec(t.Context(), append([]string{"status", "--bus.url", n.bus.URL()}, args...), nil, nil, &out, &errs, testApp()))
			if code != ExitFailed || !strings.Contains(errs.String(), "error: the operator's credential "+seed+" "+what) || !strings.Contains(errs.String(), "\nfix: ") {
				t.Errorf("%s, %v: status %d\n%s", what, args, code, errs.String())
			}
		}
	}
}

func TestRefused(t *testing.T) {
	n := startNode(t)
	other := t.TempDir()
	if err := bus.Mint(other, events.Operator); err != nil {
		t.Fatal(err)
	}
	var out, errs testproc.Buffer
	code := ExitCode(Exec(t.Context(), []string{"status", "--bus.url", n.bus.URL(), "--bus.seed-file", bus.SeedFile(other, events.Operator)}, nil, nil, &out, &errs, testApp()))
	if code != ExitFailed || !strings.Contains(errs.String(), "refused the operator's credential") || !strings.Contains(errs.String(), "\nfix: ") {
		t.Errorf("status %d\n%s", code, errs.String())
	}
}
