package dep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"core.internal/shared/dep/archive"
	"core.internal/shared/dep/lock"
)

// module is what `go mod download -json` says.
type module struct {
	Path, Version, Error, Dir, Sum string
	GoMod                          string // file; empty if it has none
}

// goCommand runs the go command outside of any module and workspace. What the
// environment says of proxies and checksum databases counts.
func (s Store) goCommand(ctx context.Context, p pinned, dir string, environ []string, args ...string) (stdout []byte, err error) {
	goCommand, ok := s.lookPath("go")
	if !ok {
		return nil, &Error{p.Name, p.Source, errors.New("the command go is not on PATH"), "install Go from https://go.dev/dl and add it to PATH"}
	}
	cmd := exec.CommandContext(ctx, goCommand, args...)
	cmd.Dir = dir
	cmd.Env = environment(append([]string{"PWD=" + dir, "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-mod=mod -trimpath -buildvcs=false"}, environ...)...)
	if s.Offline {
		cmd.Env = append(cmd.Env, "GOPROXY=off", "GOTOOLCHAIN=local")
	}
	interruptible(cmd)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil && errs.Len() > 0 {
		err = errors.New(trimmed(errs.String()))
	}
	return out.Bytes(), err
}

// version is how Go writes the version.
func (p pinned) version() string {
	if c := p.Version[:1]; c >= "0" && c <= "9" {
		return "v" + p.Version
	}
	return p.Version
}

// downloadModule brings a module into Go's own cache.
func (s Store) downloadModule(ctx context.Context, p pinned, dir, at string) (module, error) {
	out, err := s.goCommand(ctx, p, dir, nil, "mod", "download", "-json", at)
	var m module
	if decodeErr := json.Unmarshal(out, &m); decodeErr != nil {
		if err == nil {
			err = decodeErr
		}
		return m, fmt.Errorf("go mod download %s: %w", at, err)
	}
	if m.Error != "" {
		return m, fmt.Errorf("go mod download %s: %s", at, trimmed(m.Error))
	}
	return m, err
}

// resolveModule finds the module that has the package.
func (s Store) resolveModule(ctx context.Context, p pinned) (lock.Asset, error) {
	dir, err := os.MkdirTemp(s.in(), newPrefix+"module-")
	if err != nil {
		return lock.Asset{}, err
	}
	defer os.RemoveAll(dir)
	pkg := p.expand(p.Asset)
	var errs []error
	for at := pkg; at != "."; at = path.Dir(at) {
		m, err := s.downloadModule(ctx, p, dir, at+"@"+p.version())
		if ctx.Err() != nil {
			return lock.Asset{}, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sub := strings.TrimPrefix(strings.TrimPrefix(pkg, m.Path), "/")
		if info, err := os.Stat(filepath.Join(m.Dir, filepath.FromSlash(sub))); err != nil || !info.IsDir() {
			return lock.Asset{}, &Error{p.Name, p.Source, fmt.Errorf("module %s@%s has no package %s", m.Path, m.Version, pkg), "correct field dep.asset or dep.version"}
		}
		return lock.Asset{Module: m.Path + "@" + m.Version, Sum: m.Sum}, nil
	}
	return lock.Asset{}, &Error{p.Name, p.Source, fmt.Errorf("no module has the package: %w", errs[len(errs)-1]), "correct field dep.asset or dep.version; GOPROXY says where modules are looked for"}
}

// buildModule is `go install`, for modules too that it refuses: where go.mod
// replaces or excludes modules, the package is built as whoever requires its
// module gets it, to whom replacements and exclusions do not apply.
func (s Store) buildModule(ctx context.Context, p pinned, m module, tmp string, environ []string, pkg string) error {
	own, err := s.onlyOnItsOwn(ctx, p, m, tmp)
	if err != nil {
		return err
	}
	if !own {
		_, err := s.goCommand(ctx, p, tmp, environ, "install", pkg)
		return err
	}
	dir := filepath.Join(tmp, "gomod")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module install\n\ngo 1.21\n"), 0o600); err != nil {
		return err
	}
	if _, err := s.goCommand(ctx, p, dir, nil, "get", pkg); err != nil {
		return err
	}
	pkg, _, _ = strings.Cut(pkg, "@")
	_, err = s.goCommand(ctx, p, dir, environ, "install", pkg)
	return err
}

// onlyOnItsOwn reports whether the go.mod says what holds only in the module itself.
func (s Store) onlyOnItsOwn(ctx context.Context, p pinned, m module, tmp string) (bool, error) {
	if m.GoMod == "" {
		return false, nil
	}
	out, err := s.goCommand(ctx, p, tmp, nil, "mod", "edit", "-json", m.GoMod)
	if err != nil {
		return false, err
	}
	var file struct{ Replace, Exclude []json.RawMessage }
	if err := json.Unmarshal(out, &file); err != nil {
		return false, fmt.Errorf("go mod edit %s: %w", m.GoMod, err)
	}
	return len(file.Replace)+len(file.Exclude) > 0, nil
}

// unreachedError is about a module that may be had later.
type unreachedError struct{ error }

func (e *unreachedError) Unwrap() error { return e.error }

// securityError is how the go command begins to say that a module is not what it was.
const securityError = "SECURITY ERROR"

// goInstall builds the package of a module that is the locked one.
func (s Store) goInstall(ctx context.Context, p pinned, tmp string, u *archive.Unpacker, tell func(Progress)) error {
	fail := func(err error, fix string) error { return &Error{p.Name, p.Source, err, fix} }
	tell(Progress{Phase: PhaseDownloading})
	m, err := s.downloadModule(ctx, p, tmp, p.asset.Module)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		if !s.Offline && !strings.Contains(err.Error(), securityError) {
			err = &unreachedError{err} // it was there when it was locked
		}
		return fail(err, "GOPROXY says where modules are looked for")
	}
	if m.Sum != p.asset.Sum || m.Path+"@"+m.Version != p.asset.Module {
		return fail(fmt.Errorf("module %s@%s has the sum %s: want %s, as locked", m.Path, m.Version, m.Sum, p.asset.Sum), "do not use it: a version that has changed is another module")
	}
	tell(Progress{Phase: PhaseBuilding})
	bin := filepath.Join(tmp, "gobin")
	pkg := p.expand(p.Asset) + "@" + m.Version
	environ := []string{"GOBIN=" + bin, "GOOS=" + p.goos, "GOARCH=" + p.goarch}
	if err := s.buildModule(ctx, p, m, tmp, environ, pkg); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fail(fmt.Errorf("go install %s: %w", pkg, err), "correct field dep.asset or dep.version")
	}
	defer os.RemoveAll(bin)
	built, err := os.ReadDir(bin)
	if err != nil || len(built) != 1 {
		return fail(fmt.Errorf("go install %s made no binary", pkg), "name a package main in field dep.asset")
	}
	f, err := os.Open(filepath.Join(bin, built[0].Name()))
	if err != nil {
		return err
	}
	defer f.Close()
	return u.Single(ctx, f, built[0].Name())
}
