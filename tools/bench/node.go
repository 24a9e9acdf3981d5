package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// node is one `launcher up` that runs.
type node struct {
	cmd    *exec.Cmd
	root   string
	up     time.Duration // from the start of the process to everything ready
	stages []stageTime
	rest   chan error // the reader of what it still prints
}

type stageTime struct {
	Stage string  `json:"stage"`
	Took  float64 `json:"took_ms"`
}

// progress is one line of `launcher up --output jsonl`.
type progress struct {
	stageTime
	State string `json:"state"`
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
func (b *bench) start(ctx context.Context, binary string) (*node, error) {
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
	n := &node{root: root, rest: make(chan error, 1)}
	n.cmd = exec.Command(binary, "up", "--root", root, "--bus.listen", "127.0.0.1:0", "--edge.listen", "127.0.0.1:0", "--output", "jsonl")
	n.cmd.Dir = b.ws.Root
	var errs tailBuffer
	n.cmd.Stderr = &errs
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var p progress
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, errors.Join(fmt.Errorf("%s printed %q: %w", binary, lines.Text(), err), n.stop())
		}
		switch p.State {
		case "ready":
			n.stages = append(n.stages, p.stageTime)
		case "up":
			n.up = time.Since(began)
			go func() {
				_, err := io.Copy(io.Discard, out)
				n.rest <- err
			}()
			return n, nil
		case "failed":
			n.cmd.Wait()
			return nil, fmt.Errorf("the node did not come up: %s\n%s", p.Error, errs.text)
		}
	}
	return nil, fmt.Errorf("the node ended before it was up: %w\n%s", n.cmd.Wait(), errs.text)
}

// stop takes the node down and waits until its process has ended.
func (n *node) stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-n.rest
	return n.cmd.Wait()
}

// tailBuffer keeps the last 4 kB that were written.
type tailBuffer struct{ text []byte }

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if extra := len(t.text) - 4096; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(b), nil
}
