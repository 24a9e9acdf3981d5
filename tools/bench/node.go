package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"core.internal/shared/state"
)

// node is one `launcher up` that runs.
type node struct {
	binary string
	args   []string
	dir    string // where it is started
	cmd    *exec.Cmd
	root   string
	up     time.Duration // from the start of the process to everything ready
	stages []stageTime
}

type stageTime struct {
	Stage string        `json:"stage"`
	Took  time.Duration `json:"took"`
}

// progress is one line of what `launcher up --progress-fd` writes.
type progress struct {
	Up *struct {
		Stages []stageTime `json:"stages"`
	} `json:"up"`
	Error string `json:"error"`
}

// launcher builds the launcher and what it starts, once.
func (b *bench) launcher(ctx context.Context) (string, error) {
	fmt.Fprintln(b.notes, "building; the first time takes minutes")
	binary, err := b.goBuild(ctx, "./launcher", "launcher")
	if err != nil {
		return "", err
	}
	n, err := b.start(ctx, binary)
	if err != nil {
		return "", err
	}
	return binary, n.stop()
}

// start brings up a node on a fresh root that shares the built binaries.
func (b *bench) start(ctx context.Context, binary string, more ...string) (*node, error) {
	root, err := os.MkdirTemp(b.dir, "root-")
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(b.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	if err := os.Symlink(bin, filepath.Join(root, "bin")); err != nil {
		return nil, err
	}
	n := &node{binary: binary, root: root, dir: b.ws.Root}
	n.args = append([]string{"up", "--root", root, "--bus.listen", "127.0.0.1:0", "--edge.listen", "127.0.0.1:0", "--progress-fd", "3"}, more...)
	return n, n.launch(ctx)
}

// launch runs `launcher up` and returns when the node is up: the first time, and
// again after the launcher was killed.
func (n *node) launch(ctx context.Context) error {
	n.cmd = exec.Command(n.binary, n.args...)
	n.cmd.Dir = n.dir
	errs := &tailBuffer{}
	n.cmd.Stderr = errs
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	n.cmd.ExtraFiles = []*os.File{write}
	began := time.Now()
	err = n.cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	// Who gives up waits for no boot, and leaves none behind.
	defer context.AfterFunc(ctx, func() { n.cmd.Process.Signal(syscall.SIGTERM) })()
	for d := json.NewDecoder(read); ; {
		var p progress
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("the node ended before it was up: %w\n%s", errors.Join(err, n.cmd.Wait()), errs.text)
		}
		if p.Up != nil {
			n.up, n.stages = time.Since(began), p.Up.Stages
			return nil
		}
		if p.Error != "" {
			n.cmd.Wait()
			return fmt.Errorf("the node did not come up: %s\n%s", p.Error, errs.text)
		}
	}
}

// stop takes the node down and waits until its process has ended. Where that is
// gone, as after a launch that failed, it ends what was left behind.
func (n *node) stop() error {
	var err error
	if n.cmd.ProcessState == nil {
		if err = n.cmd.Process.Signal(syscall.SIGTERM); err == nil {
			err = n.cmd.Wait()
		}
		if err == nil {
			return nil
		}
		err = fmt.Errorf("take the node down: %w", err)
	}
	_, derr := n.run(context.Background(), "down") // which has its own bound
	return errors.Join(err, derr)
}

// logs is the directory of the node's log files.
func (n *node) logs() string { return filepath.Join(n.root, "local", "logs") }

// run runs a command of the launcher against the node, as an operator does.
func (n *node) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, n.binary, append(args, "--root", n.root)...)
	var out, errs tailBuffer
	errs.most, out.most = 4<<10, 16<<20
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.text, fmt.Errorf("launcher %s: %w\n%s%s", args[0], err, last(out.text, 2000), errs.text)
	}
	return out.text, nil
}

// status is the node's state, as `launcher status` tells it.
func (n *node) status(ctx context.Context) (state.Status, error) {
	var s state.Status
	text, err := n.run(ctx, "status", "--output", "json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("launcher status: %w", err)
	}
	return s, nil
}

// tailBuffer keeps the end of what was written: 4 kB, or most bytes.
type tailBuffer struct {
	text []byte
	most int
}

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	t.text = last(t.text, cmp.Or(t.most, 4<<10))
	return len(b), nil
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// about are the lines of procd's log about a service.
func (n *node) about(id string) string {
	var text strings.Builder
	paths, _ := filepath.Glob(filepath.Join(n.logs(), "procd*.log*"))
	for _, p := range paths {
		b, _ := os.ReadFile(p)
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, `"service":"`+id+`"`) {
				text.WriteString(line)
			}
		}
	}
	return text.String()
}

// lastWords are the last lines of the logs of launcher and daemons.
func (n *node) lastWords() string {
	var text strings.Builder
	for _, name := range []string{"launcher", "busd", "procd", "caddyd", "pipelined"} {
		b, err := os.ReadFile(filepath.Join(n.logs(), name+".log"))
		if err == nil {
			fmt.Fprintf(&text, "--- %s\n%s\n", name, last(b, 3000))
		}
	}
	return text.String()
}
