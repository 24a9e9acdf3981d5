package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"core.internal/shared/dep"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/step"
)

// Toolchain is what the binaries are built with.
type Toolchain struct {
	Go   string `json:"go"` // as in go1.26.0
	OS   string `json:"os"`
	Arch string `json:"arch"`
}

// Binary is one built binary.
type Binary struct {
	Name   string `json:"name"` // also its file beside the manifest
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func (o Options) toolchain(ctx context.Context, j pipeline.Job, targets []Target) (Toolchain, error) {
	if o.Workspace == "" {
		return Toolchain{}, errors.New("there is no source tree to build: start pipelined inside a clone, or name one with pipeline.workspace")
	}
	if len(targets) == 0 {
		return Toolchain{}, fmt.Errorf("workspace %s has nothing to build: no launcher, daemon or service with a main.go", o.Workspace)
	}
	out, err := step.Output(ctx, j, o.command("env", "-json", "GOVERSION", "GOOS", "GOARCH"))
	if err != nil {
		return Toolchain{}, err
	}
	var env struct{ GOVERSION, GOOS, GOARCH string }
	if err := json.Unmarshal(out, &env); err != nil {
		return Toolchain{}, fmt.Errorf("go env: %w", err)
	}
	fmt.Fprintf(j.Log, "%s %s/%s, %d targets\n", env.GOVERSION, env.GOOS, env.GOARCH, len(targets))

	list := []string{"list", "-f", "{{.Name}} {{.ImportPath}}"}
	for _, t := range targets {
		list = append(list, "./"+t.Path)
	}
	packages, err := step.Output(ctx, j, o.command(list...))
	if err != nil {
		return Toolchain{}, err
	}
	for line := range bytes.Lines(packages) {
		name, path, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if name != "main" {
			return Toolchain{}, fmt.Errorf("%s is package %s: want package main", path, name)
		}
		fmt.Fprintln(j.Log, path)
	}
	return Toolchain{Go: env.GOVERSION, OS: env.GOOS, Arch: env.GOARCH}, nil
}

// compile builds one binary. Until it is complete it has another name.
func (o Options) compile(ctx context.Context, j pipeline.Job, with Toolchain, t Target) (Binary, error) {
	dir := o.runDir(j)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Binary{}, err
	}
	fmt.Fprintf(j.Log, "building ./%s with %s for %s/%s\n", t.Path, with.Go, with.OS, with.Arch)
	part := filepath.Join(dir, t.Name+".part")
	if err := o.begin(part, t); err != nil {
		return Binary{}, errors.Join(err, remove(part))
	}
	if err := step.Run(ctx, j, o.command(dep.GoBuild(part, "./"+t.Path)...)); err != nil {
		return Binary{}, errors.Join(err, remove(part))
	}
	b, err := describe(part)
	if err != nil {
		return Binary{}, err
	}
	b.Name = t.Name
	if err := os.Rename(part, filepath.Join(dir, t.Name)); err != nil {
		return Binary{}, err
	}
	fmt.Fprintf(j.Log, "%s: %d bytes, sha256 %s\n", b.Name, b.Size, b.SHA256)
	return b, nil
}

// begin copies what was built before to where the go command builds: it links
// only where the output is not what it would make. No link to the file itself:
// whoever built it looks at its time, which the go command changes.
func (o Options) begin(part string, t Target) error {
	if err := remove(part); err != nil || o.Built == "" || !dep.Intact(o.Built, t.Name) {
		return err
	}
	from, err := os.Open(filepath.Join(o.Built, t.Name))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", from.Name(), err), to.Close())
	}
	return to.Close()
}

// command is the go command in the workspace, as the boot runs it.
func (o Options) command(args ...string) step.Command {
	return step.Command{Name: "go", Args: args, Dir: o.Workspace, Env: dep.GoEnviron(o.Workspace)}
}

func (o Options) runDir(j pipeline.Job) string { return filepath.Join(o.Dir, string(j.Run)) }

func describe(file string) (Binary, error) {
	f, err := os.Open(file)
	if err != nil {
		return Binary{}, err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return Binary{}, fmt.Errorf("read %s: %w", file, err)
	}
	return Binary{Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
