package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	n := &node{root: root}
	args := []string{"up", "--root", root, "--bus.listen", "127.0.0.1:0", "--edge.listen", "127.0.0.1:0", "--progress-fd", "3"}
	n.cmd = exec.Command(binary, append(args, more...)...)
	n.cmd.Dir = b.ws.Root
	var errs tailBuffer
	n.cmd.Stderr = &errs
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	n.cmd.ExtraFiles = []*os.File{write}
	began := time.Now()
	err = n.cmd.Start()
	write.Close()
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(read); ; {
		var p progress
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("the node ended before it was up: %w\n%s", errors.Join(err, n.cmd.Wait()), errs.text)
		}
		if p.Up != nil {
			n.up, n.stages = time.Since(began), p.Up.Stages
			return n, nil
		}
		if p.Error != "" {
			n.cmd.Wait()
			return nil, fmt.Errorf("the node did not come up: %s\n%s", p.Error, errs.text)
		}
	}
}

// stop takes the node down and waits until its process has ended.
func (n *node) stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
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
