package boot_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"core.internal/shared/boot"
	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/harness"
	"core.internal/shared/process"
	"core.internal/shared/testutil/testbus"
	"core.internal/shared/testutil/testnode"
	"core.internal/shared/testutil/testproc"
)

// The test binary is also each daemon of a node, a launcher, and a process that
// holds a port.
func TestMain(m *testing.M) {
	programs := testproc.Programs{"holder": hold, "launcher": launch, "mute": mute, "broken": broken}
	for _, d := range testnode.Daemons(testnode.Procd{}) {
		programs[string(d.Name)] = func([]string) { daemon.Main(d) }
	}
	testproc.Main(programs)
	goleak.VerifyTestMain(m, testbus.Clock())
}

// hold listens on a port until it is killed.
func hold([]string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	select {}
}

// mute is a daemon that says something and is never ready.
func mute([]string) {
	fmt.Println("warming up")
	fmt.Println("still warming up")
	select {}
}

// broken is a daemon that cannot do its work.
func broken([]string) {
	fmt.Println("about to fail")
	fmt.Println("no room")
	os.Exit(3)
}

// launch is a launcher without an end: it brings a node up below a root.
func launch(args []string) {
	c := config.Default()
	c.Name, c.Root, c.Profiles = "test", args[0], config.Strings{"none"}
	c.BusListen, c.EdgeListen = "127.0.0.1:0", "127.0.0.1:0"
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	n := boot.New(boot.Options{Config: c, Environ: os.Environ(), InProcess: events.Daemons(), Wrap: children(path, nil)})
	go func() {
		<-n.Up()
		fmt.Println("up", n.Summary().BusURL, n.Summary().EdgeURL)
	}()
	fmt.Println(n.Run(context.Background()))
}

// children runs every daemon as a process of its own, which is the test binary
// as the program of the daemon's name, or as another one.
func children(self string, instead map[string]string) func(process.Runner) process.Runner {
	return func(r process.Runner) process.Runner {
		return &asPrograms{Finder: r.(process.Finder), self: self, instead: instead}
	}
}

type asPrograms struct {
	process.Finder
	self    string
	instead map[string]string
}

func (r *asPrograms) Start(ctx context.Context, c process.Command) (process.Process, error) {
	program := c.ID
	if other, ok := r.instead[program]; ok {
		program = other
	}
	c.Path, c.Env = r.self, append(slices.Clone(c.Env), testproc.Env(program)...)
	return r.Finder.Start(ctx, c)
}

// inChildren makes a harness run the daemons as children.
func inChildren(t *testing.T, instead map[string]string) func(*boot.Options) {
	return func(o *boot.Options) {
		o.InProcess, o.Omit, o.Wrap = events.Daemons(), nil, children(testproc.Self(t), instead)
	}
}

// watched is what a boot tells, a line each event, as "2/7 bus ready".
type watched struct{ testproc.Buffer }

func (w *watched) options(o *boot.Options) { o.Progress = w.tell }

func (w *watched) tell(e boot.Event) {
	text := fmt.Sprintf("%d/%d %s %s", e.Index, e.Total, e.Stage, e.State)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += fmt.Sprintf(": %q", e.Err)
	}
	fmt.Fprintln(w, text)
}

// stages are the lines that tell how far the stages are.
func (w *watched) stages() []string {
	var lines []string
	for l := range strings.Lines(w.String()) {
		if !strings.Contains(l, " progress: ") {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	return lines
}

// whole are the events of a node that came up and went down.
func whole() []string {
	var up, down []string
	names := boot.Stages()
	for i, name := range names {
		at := fmt.Sprintf("%d/%d %s ", i+1, len(names), name)
		up = append(up, at+"starting", at+"ready")
		down = append(down, at+"stopped", at+"stopping")
	}
	slices.Reverse(down)
	return append(up, down...)
}

// onDisk keeps what a node states, for [testnode.Stored].
func onDisk(c *config.Node) { c.BusStore, c.BusSync = "file", "10s" }

func stop(t *testing.T, n *harness.Node) {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// leftovers are the files of a node that is down which stand for something that
// goes on.
func leftovers(t *testing.T, l config.Layout) []string {
	t.Helper()
	var left []string
	err := filepath.WalkDir(l.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && (d.Type()&(os.ModeNamedPipe|os.ModeSocket) != 0 || path == l.NodeFile()) {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return left
}
