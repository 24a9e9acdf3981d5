package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/dep"
	"core.internal/shared/harness"
	"core.internal/shared/spec"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testproc"
)

// These tests run the real binaries, as an operator would.

var launcherBinary = sync.OnceValues(func() (string, error) {
	workspace, ok := dep.FindWorkspace(".")
	if !ok {
		return "", errors.New("not inside the workspace")
	}
	store := dep.Store{Bin: filepath.Join(workspace, ".core", "bin"), Workspace: workspace}
	built, err := store.Ensure(context.Background(), []dep.Want{{Dep: spec.Dep{Name: "launcher", Source: spec.SourceGoBuild, Asset: "core.internal/launcher"}}}, func(dep.Progress) {})
	return built["launcher"], err
})

// binaries is a node brought up with `launcher up`.
type binaries struct {
	t        *testing.T
	launcher string
	root     string
	cmd      *exec.Cmd
	stderr   testproc.Buffer
	edge     string
	done     chan error
	ended    bool // done was received from
}

// up runs `launcher up` on a fresh root and waits until it says that all is up.
func up(t *testing.T, args ...string) *binaries {
	t.Helper()
	launcher, err := launcherBinary()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	workspace, _ := dep.FindWorkspace(".")
	harness.ShareBinaries(t, workspace, root)
	b := &binaries{t: t, launcher: launcher, root: root}
	b.start(args...)
	return b
}

func (b *binaries) start(args ...string) {
	b.t.Helper()
	args = append([]string{"up", "--root", b.root, "--bus.listen", "127.0.0.1:0", "--edge.listen", "127.0.0.1:0", "--progress-fd", "3"}, args...)
	b.cmd = exec.Command(b.launcher, args...)
	b.cmd.Stderr = &b.stderr
	read, write, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer read.Close()
	b.cmd.ExtraFiles = []*os.File{write}
	err = b.cmd.Start()
	write.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	done := make(chan error, 1)
	b.done = done
	go func(cmd *exec.Cmd) { done <- cmd.Wait() }(b.cmd)
	b.t.Cleanup(b.down)
	for d := json.NewDecoder(read); ; {
		var m struct {
			Up *struct {
				EdgeURL string `json:"edge_url"`
			} `json:"up"`
			Error string `json:"error"`
		}
		if err := d.Decode(&m); err != nil {
			b.t.Fatalf("up ended early: %v\n%s", err, &b.stderr)
		}
		if m.Error != "" {
			b.t.Fatalf("up failed: %s\n%s", m.Error, &b.stderr)
		}
		if m.Up != nil {
			b.edge = m.Up.EdgeURL
			return
		}
	}
}

// down takes the node down and checks that nothing of it is left.
func (b *binaries) down() {
	if !b.ended {
		b.ended = true
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-b.done:
			if err != nil {
				b.t.Errorf("up ended with %v\n%s", err, &b.stderr)
			}
		case <-time.After(30 * time.Second):
			b.t.Errorf("the node is not down after 30 s\n%s", &b.stderr)
			_ = b.cmd.Process.Kill()
		}
	}
	for _, left := range harness.Processes(b.root) {
		b.t.Errorf("left behind: %s", left)
	}
}

// run runs one launcher command against the node.
func (b *binaries) run(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	cmd := exec.Command(b.launcher, append(args, "--root", b.root)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (b *binaries) status() state.Status {
	b.t.Helper()
	out, errs, code := b.run("status", "--output", "json")
	if code != 0 {
		b.t.Fatalf("status: exit %d\n%s", code, errs)
	}
	var d state.Status
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		b.t.Fatalf("status printed %q: %v", out, err)
	}
	return d
}

// until asks for something that becomes true, and fails the test when it does
// not within a generous time.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// get asks the edge for a path on a host; code 0 where nobody answers.
func (b *binaries) get(host, path string) (code int, body string) {
	r, err := http.NewRequest(http.MethodGet, b.edge+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Host = host
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// busy takes a port and keeps it until the test ends.
func busy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return fmt.Sprint(l.Addr())
}
