package harness_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"core.internal/shared/boot"
	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testnode"
	"core.internal/shared/testutil/testproc"
)

func TestMain(m *testing.M) {
	testproc.Main(testproc.Programs{"wait": func([]string) {
		fmt.Println("waiting")
		select {}
	}})
	goleak.VerifyTestMain(m, testbus.Clock())
}

// inner is a test within a test: what it reports is looked at.
type inner struct {
	testing.TB
	dir string

	mu       sync.Mutex
	errors   []string
	logs     []string
	cleanups []func()
}

// run runs a test and its cleanups as package testing does.
func run(t *testing.T, test func(testing.TB)) *inner {
	t.Helper()
	in := &inner{TB: t, dir: t.TempDir()}
	in.alone(func() { test(in) })
	for len(in.cleanups) > 0 {
		last := in.cleanups[len(in.cleanups)-1]
		in.cleanups = in.cleanups[:len(in.cleanups)-1]
		in.alone(last)
	}
	return in
}

// alone runs f where a fatal error ends nothing else.
func (in *inner) alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (in *inner) Helper()          {}
func (in *inner) TempDir() string  { return in.dir }
func (in *inner) Cleanup(f func()) { in.cleanups = append(in.cleanups, f) }

func (in *inner) Errorf(format string, args ...any) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.errors = append(in.errors, fmt.Sprintf(format, args...))
}

func (in *inner) Fatalf(format string, args ...any) {
	in.Errorf(format, args...)
	runtime.Goexit()
}

func (in *inner) Fatal(args ...any) { in.Fatalf("%s", fmt.Sprint(args...)) }

func (in *inner) Logf(format string, args ...any) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.logs = append(in.logs, fmt.Sprintf(format, args...))
}

func (in *inner) Failed() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.errors) > 0
}

func (in *inner) text() string { return strings.Join(in.errors, "\n") }

func daemons() []daemon.Definition {
	return testnode.Daemons(testnode.Procd{Services: []testnode.Service{testnode.Healthy("alpha")}})
}

// descriptors are the open files of this process that goroutines do not share:
// sockets, pipes and files.
func descriptors(t *testing.T) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			open = append(open, filepath.Base(l)+" "+to)
		}
	}
	slices.Sort(open)
	return open
}

// Whatever a node had is gone when its test has ended: goroutines, processes,
// files and ports. This test is not parallel, because it looks at the process.
func TestLeavesNothing(t *testing.T) {
	// What is opened once and for all is open now.
	if in := run(t, func(t testing.TB) { harness.Start(t, harness.Options{Daemons: daemons(), Edge: true}) }); in.Failed() {
		t.Fatal(in.text())
	}
	goroutines := goleak.IgnoreCurrent()
	before := descriptors(t)
	var n *harness.Node
	var addresses []string
	in := run(t, func(t testing.TB) {
		n = harness.Start(t, harness.Options{Daemons: daemons(), Edge: true})
		n.Operator()
		for _, u := range []string{n.Summary().BusURL, n.Summary().EdgeURL} {
			_, address, _ := strings.Cut(u, "//")
			addresses = append(addresses, address)
		}
		for _, d := range events.Daemons() {
			addresses = append(addresses, n.State().Ready[d].Addresses["metrics"])
		}
		for _, a := range addresses {
			c, err := net.Dial("tcp", a)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
	})
	if in.Failed() {
		t.Fatal(in.text())
	}
	if len(in.logs) > 0 {
		t.Errorf("a test that passes says %q", in.logs)
	}
	if err := goleak.Find(goroutines, testbus.Clock()); err != nil {
		t.Errorf("goroutines: %v", err)
	}
	if after := descriptors(t); !slices.Equal(after, before) {
		t.Errorf("open files %q, were %q", after, before)
	}
	if left := harness.Processes(n.Layout.Root); len(left) > 0 {
		t.Errorf("processes: %q", left)
	}
	if len(addresses) != 6 {
		t.Errorf("looked at %q", addresses)
	}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Errorf("port: %v", err)
			continue
		}
		l.Close()
	}
	// Logs and keys stay for whoever looks at what happened; nothing else does,
	// but the files of the node's and the bus's locks, which nobody holds.
	if pid, err := boot.Holder(n.Layout); pid != 0 || err != nil {
		t.Errorf("the node is held by %d, %v", pid, err)
	}
	for dir, want := range map[string][]string{n.Layout.Root: {"bin", "test"}, n.Layout.Dir: {"keys", "lock", "logs", "run", "store"}, n.Layout.Run(): nil, n.Layout.Store(): {"lock"}} {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			if e.Name() != "daemons" || dir != n.Layout.Run() {
				names = append(names, e.Name())
			}
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s has %q, want %q (%v)", dir, names, want, err)
		}
	}
}

// Nodes do not know of each other.
func TestParallel(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			n := harness.Start(t, harness.Options{Daemons: daemons(), Edge: true})
			own := events.Entity(fmt.Sprint("only", i))
			n.Request(events.Procd, own, events.StopService{}) // rejected, but told
			mu.Lock()
			defer mu.Unlock()
			for _, at := range []string{n.Summary().BusURL, n.Summary().EdgeURL, n.Layout.Dir} {
				if seen[at] {
					t.Errorf("%s is another node's too", at)
				}
				seen[at] = true
			}
			for _, e := range n.Facts() {
				if strings.HasPrefix(string(e.Entity), "only") && e.Entity != own {
					t.Errorf("a fact of another node: %+v", e)
				}
			}
		})
	}
}

// What a test can ask of a node.
func TestOperate(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{
		Daemons: daemons(), Specs: map[string]string{"delta.json": `{"id":"delta","process":{"command":"true"}}`},
		Config: func(c *config.Node) { c.LogLevel = "debug" },
	})
	if s := n.Wait("alpha is healthy", func(s state.State) bool { return s.Services["alpha"].Serving() }); s.Node != "test" {
		t.Errorf("state of %s", s.Node)
	}
	if found, err := spec.Load(spec.Dirs{Extra: n.Config.Specs}); err != nil || len(found) != 1 || found[0].ID != "delta" {
		t.Errorf("the node's further specs: %v, %v", found, err)
	}
	if o := n.Command("alpha", events.StopService{}); o.State != state.OutcomeRejected || o.Reason != "not in this test" {
		t.Errorf("outcome %+v", o)
	}
	if first, second := n.Operator(), n.Operator(); first != second {
		t.Error("the operator connects twice")
	}
	as := n.Connect(events.Launcher)
	as.Close()
	facts := n.Facts()
	if first := facts[0]; first.Entity != "config" || first.Type != (events.StageStarting{}).EventType() {
		t.Errorf("the first fact is %+v", first)
	}
	if !strings.Contains(n.Log(), "source=procd") && !strings.Contains(n.Log(), `"source":"procd"`) {
		t.Errorf("the log has nothing of procd:\n%s", n.Log())
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// A node that is to fail says why; one that fails or comes up against what was
// expected fails its test, with the log.
func TestFails(t *testing.T) {
	t.Parallel()
	broken := daemons()
	broken[1] = daemon.Definition{Name: events.Caddyd, Run: func(_ context.Context, d *daemon.Daemon) error {
		d.Log.Warn("about to fail")
		return errors.New("no room")
	}}
	for _, tt := range []struct {
		name string
		o    harness.Options
		want []string // in what is reported; nothing is if empty
	}{
		{"as expected", harness.Options{Daemons: broken, Edge: true, Fails: true}, nil},
		{"unexpectedly", harness.Options{Daemons: broken, Edge: true}, []string{
			"harness: the node did not come up: stage edge: caddyd ended", "caddyd: no room", `"msg":"about to fail"`,
		}},
		{"not at all", harness.Options{Daemons: daemons(), Fails: true}, []string{"harness: the node came up, but was expected not to"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var n *harness.Node
			in := run(t, func(t testing.TB) { n = harness.Start(t, tt.o) })
			if in.Failed() != (len(tt.want) > 0) || len(in.errors) > 1 {
				t.Errorf("reported %q", in.errors)
			}
			for _, want := range tt.want {
				if !strings.Contains(in.text(), want) {
					t.Errorf("reported\n%s\nwithout %s", in.text(), want)
				}
			}
			if in.Failed() && !strings.Contains(strings.Join(in.logs, "\n"), "the node's log:\n") {
				t.Errorf("the log is not shown: %q", in.logs)
			}
			var failure *boot.StageError
			if !in.Failed() && (!errors.As(n.Err(), &failure) || failure.Stage != "edge") {
				t.Errorf("ended with %v", n.Err())
			}
		})
	}
}

// A node that cannot be taken down cleanly fails its test, unless the test has
// looked at the error itself.
func TestStopFails(t *testing.T) {
	t.Parallel()
	start := func(t testing.TB) *harness.Node {
		return harness.Start(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{Drain: func(context.Context) error { return errors.New("alpha clings") }})})
	}
	in := run(t, func(t testing.TB) { start(t) })
	if len(in.errors) != 1 || !strings.HasPrefix(in.text(), "harness: take the node down: take down stage services: stop the services: alpha clings") {
		t.Errorf("reported %q", in.errors)
	}
	in = run(t, func(t testing.TB) {
		if err := start(t).Stop(); err == nil {
			t.Errorf("stopped without an error")
		}
	})
	if in.Failed() {
		t.Errorf("reported %q", in.errors)
	}
}

// A process that a node leaves behind fails its test.
func TestProcessLeft(t *testing.T) {
	t.Parallel()
	cmd := testproc.Command(t, "wait")
	in := run(t, func(in testing.TB) {
		n := harness.Start(in, harness.Options{Daemons: daemons()})
		var out testproc.Buffer
		cmd.Env, cmd.Stdout = append(cmd.Env, "CORE_DATA_DIR="+n.Layout.Data("alpha")), &out
		if err := cmd.Start(); err != nil {
			in.Fatal(err)
		}
		out.Await(in, "waiting")
	})
	want := fmt.Sprintf("harness: left behind: %d %s", cmd.Process.Pid, testproc.Self(t))
	cmd.Process.Kill()
	cmd.Wait()
	if len(in.errors) != 1 || !strings.HasPrefix(in.text(), want) {
		t.Errorf("reported %q, want %q", in.errors, want)
	}
}

// So does a bus.
func TestBusLeft(t *testing.T) {
	t.Parallel()
	own := daemons()
	broker, stop := own[0].Broker, func() {}
	own[0].Broker = func(ctx context.Context, d *daemon.Daemon) (bus.Options, func(), error) {
		o, end, err := broker(ctx, d)
		stop = end
		return o, func() {}, err
	}
	var n *harness.Node
	in := run(t, func(t testing.TB) { n = harness.Start(t, harness.Options{Daemons: own}) })
	stop()
	if want := "harness: left behind: the bus at " + n.Node.Config.BusListen; len(in.errors) != 1 || in.text() != want {
		t.Errorf("reported %q, want %q", in.errors, want)
	}
}
