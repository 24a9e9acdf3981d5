package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/boot"
	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testproc"
)

// Options say what a test needs. The zero value is a node without services and
// edge.
type Options struct {
	// Daemons run in the test's own process.
	Daemons []daemon.Definition
	// Edge brings up caddyd as a child process.
	Edge bool
	// Profiles enable services; none if empty.
	Profiles []string
	// Specs are further spec documents by file name, as in "redis.json".
	Specs map[string]string
	// Config changes the node's settings before it starts; may be nil.
	Config func(*config.Node)
	// Boot changes how the node is brought up: who is told, what runs the
	// daemons; may be nil.
	Boot func(*boot.Options)
	// Fails: the node is expected not to come up; see [Node.Err].
	Fails bool
}

// patience bounds every wait of a test: long enough for a loaded machine that
// builds binaries, short enough to tell what is stuck.
const patience = 4 * time.Minute

// Node is a node that is up.
type Node struct {
	*boot.Node
	Config config.Node
	Layout config.Layout

	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of boot, valid once done is closed
	log    *testproc.Buffer

	mu     sync.Mutex
	client *bus.Conn // the operator's; guarded by mu
	told   bool      // the test knows how the node ended; guarded by mu
}

// Start brings a node up, and down when the test ends.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	workspace, ok := dep.FindWorkspace(".")
	if !ok {
		t.Fatal("harness: not inside the workspace")
	}
	root := t.TempDir()
	ShareBinaries(t, workspace, root)
	c := config.Default()
	c.Name, c.Root = "test", root
	c.Profiles = slices.Clone(o.Profiles)
	if c.Profiles == nil {
		c.Profiles = config.Strings{"none"}
	}
	c.BusListen, c.EdgeListen = "127.0.0.1:0", "127.0.0.1:0"
	if len(o.Specs) > 0 {
		c.Specs = config.Strings{writeSpecs(t, o.Specs)}
	}
	if o.Config != nil {
		o.Config(&c)
	}
	n := &Node{Config: c, Layout: c.Layout(), t: t, done: make(chan struct{}), log: &testproc.Buffer{}}
	options := boot.Options{
		Config: c, Environ: os.Environ(), Workspace: workspace,
		Log: slog.New(slog.NewTextHandler(n.log, nil)),
	}
	definitions := map[string]daemon.Definition{}
	for _, d := range o.Daemons {
		definitions[string(d.Name)] = d
		options.InProcess = append(options.InProcess, d.Name)
	}
	options.Wrap = func(r process.Runner) process.Runner {
		return &runner{Runner: r, daemons: definitions, output: n.log}
	}
	if !o.Edge {
		options.Omit = []events.Source{events.Caddyd}
	}
	if o.Boot != nil {
		o.Boot(&options)
	}
	n.Node = boot.New(options)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() {
		defer close(n.done)
		n.err = n.Node.Run(ctx)
	}()
	t.Cleanup(n.stop)
	n.await(o.Fails)
	return n
}

// ShareBinaries lets every node of the workspace's tests use what one built: the
// root has the workspace's own directory of binaries, which is returned.
func ShareBinaries(t testing.TB, workspace, root string) string {
	t.Helper()
	bin := filepath.Join(workspace, config.DefaultRoot, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bin, filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	return bin
}

func writeSpecs(t testing.TB, specs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range specs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (n *Node) await(fails bool) {
	n.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-n.Up():
		if fails {
			n.t.Fatal("harness: the node came up, but was expected not to")
		}
	case <-n.done:
		if !fails {
			n.t.Fatalf("harness: the node did not come up: %v\n%s", n.err, n.log)
		}
	case <-limit.C:
		n.t.Fatalf("harness: the node is not up after %s\n%s", patience, n.log)
	}
}

// Err waits for the node to end and returns why; what that means is then for
// the test to say.
func (n *Node) Err() error {
	<-n.done
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = true
	return n.err
}

// Stop takes the node down, waits for it and returns its error, as Err does.
func (n *Node) Stop() error {
	n.mu.Lock()
	if n.client != nil {
		n.client.Close()
		n.client = nil
	}
	n.mu.Unlock()
	n.cancel()
	return n.Err()
}

func (n *Node) stop() {
	n.mu.Lock()
	told := n.told
	n.mu.Unlock()
	if err := n.Stop(); err != nil && !told && !errors.As(err, new(*boot.StageError)) {
		n.t.Errorf("harness: take the node down: %v\n%s", err, n.log)
	}
	if n.answers() {
		n.t.Errorf("harness: left behind: the bus at %s", n.Node.Config.BusListen)
	}
	for _, left := range Processes(n.Layout.Root) {
		n.t.Errorf("harness: left behind: %s", left)
	}
	if n.t.Failed() {
		n.t.Logf("the node's log:\n%s", n.log)
	}
}

// answers reports whether the node's own bus is still there: another node's,
// which may have got the port, does not know the credential.
func (n *Node) answers() bool {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c, err := bus.Connect(ctx, bus.Options{
		URL: "nats://" + n.Node.Config.BusListen, Name: string(events.Operator), Seed: n.Layout.Seed(events.Operator),
		Waiting: func(_ int, err error) { cancel(err) }, // one attempt is enough
	})
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Processes lists the processes, but this one, whose environment names a
// directory, as "<pid> <command>": those of a node's directory or root.
func Processes(dir string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	var left []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(b), dir) {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if pid := filepath.Base(filepath.Dir(f)); pid != fmt.Sprint(os.Getpid()) && len(command) > 0 {
			left = append(left, fmt.Sprintf("%s %s", pid, strings.ReplaceAll(string(command), "\x00", " ")))
		}
	}
	return left
}

// Log is what the node's launcher and in-process daemons have logged so far.
func (n *Node) Log() string { return n.log.String() }

// State is the node's state as the launcher sees it.
func (n *Node) State() state.State { return n.View().State() }

// Wait returns the first state in which the condition holds; what says it in
// words.
func (n *Node) Wait(what string, holds func(state.State) bool) state.State {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := n.View().Wait(ctx, holds)
	if err != nil {
		n.t.Fatalf("harness: wait until %s: %v\nservices: %+v\n%s", what, err, s.Services, n.log)
	}
	return s
}
