package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"core.internal/tools/internal/workspace"
)

// tidy runs `go mod tidy` in each module against a proxy made from the working
// tree. With check it restores what changed and reports it as an error.
func tidy(ctx context.Context, ws workspace.Workspace, check bool, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "core-tidy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := ws.WriteProxy(dir); err != nil {
		return err
	}
	env, err := ws.ProxyEnv(ctx, dir)
	if err != nil {
		return err
	}
	var untidy []error
	for _, m := range ws.Modules {
		if err := forgetOwnModules(ctx); err != nil {
			return err
		}
		before, err := readFiles(m)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
		cmd.Dir, cmd.Env = m.Dir, env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go mod tidy in %s: %w\n%s", m.Rel, err, out)
		}
		if err := stripOwnSums(filepath.Join(m.Dir, "go.sum")); err != nil {
			return err
		}
		after, err := readFiles(m)
		if err != nil {
			return err
		}
		for name := range after {
			if bytes.Equal(before[name], after[name]) {
				continue
			}
			if !check {
				fmt.Fprintf(stdout, "tidied %s/%s\n", m.Rel, name)
				continue
			}
			untidy = append(untidy, fmt.Errorf("%s/%s is not tidy: run go run ./tools/tidy", m.Rel, name))
			if err := os.WriteFile(filepath.Join(m.Dir, name), before[name], 0o644); err != nil {
				return err
			}
		}
	}
	return errors.Join(untidy...)
}

func readFiles(m workspace.Module) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(m.Dir, name))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		files[name] = b
	}
	return files, nil
}

// stripOwnSums removes this repository's own modules from a go.sum: they are
// replaced by the working tree, so a recorded hash could only be wrong.
func stripOwnSums(file string) error {
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, workspace.Prefix) {
			kept = append(kept, line)
		}
	}
	return os.WriteFile(file, []byte(strings.Join(kept, "")), 0o644)
}

// forgetOwnModules drops this repository's modules from the module cache, where
// an earlier state of the same version may lie.
func forgetOwnModules(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("go env GOMODCACHE: %w", err)
	}
	cache := strings.TrimSpace(string(out))
	for _, dir := range []string{cache, filepath.Join(cache, "cache", "download")} {
		own := filepath.Join(dir, strings.TrimSuffix(workspace.Prefix, "/"))
		err := filepath.WalkDir(own, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(p, 0o755)
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.RemoveAll(own); err != nil {
			return err
		}
	}
	return nil
}
