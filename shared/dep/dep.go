package dep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"core.internal/shared/spec"
)

// Want is one binary that is wanted.
type Want struct {
	Name    string // of the binary
	Source  spec.Source
	Asset   string // go-build: a package; system: a command, Name if empty
	Version string
}

// Phase is what an installation is about to do.
type Phase string

// Phases.
const (
	Counting Phase = "counting" // finding out what there is to compile
	Building Phase = "building"
	Built    Phase = "built"
)

// Progress tells how far an installation is, for people to watch.
type Progress struct {
	Name          string
	Index, Total  int // which of the binaries that need work, from 1
	Phase         Phase
	Packages      int // compiled so far; what the build cache has is not compiled
	PackagesTotal int
	Elapsed       time.Duration
}

func (p Progress) String() string {
	s := fmt.Sprintf("%s %s (%d of %d)", p.Phase, p.Name, p.Index, p.Total)
	if p.Phase == Building && p.Packages > 0 {
		s += fmt.Sprintf(", %d packages compiled, at most %d to go", p.Packages, p.PackagesTotal-p.Packages)
	}
	if p.Elapsed >= time.Second {
		s += fmt.Sprintf(", %s", p.Elapsed.Round(time.Second))
	}
	return s
}

// Store is where binaries are put.
type Store struct {
	Bin string // directory of installed binaries
	// Workspace is the root of the source tree; empty for an installation,
	// which has its binaries beside the running executable or on PATH.
	Workspace string
}

// Error says which binary could not be had.
type Error struct {
	Want Want
	Err  error
	Fix  string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s binary %q (%s %s): %v", "install", e.Want.Name, e.Want.Source, e.Want.Asset, e.Err)
	if e.Fix != "" {
		s += ": " + e.Fix
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Ensure makes every wanted binary exist and returns their paths by name. What
// is there and fresh costs a few stats. progress may be nil.
func (s Store) Ensure(ctx context.Context, wants []Want, progress func(Progress)) (map[string]string, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	paths := map[string]string{}
	var stale []Want
	seen := stats{}
	for _, w := range wants {
		if _, done := paths[w.Name]; done {
			continue
		}
		path, fresh, err := s.find(w, seen)
		if err != nil {
			return nil, err
		}
		if !fresh {
			stale = append(stale, w)
		}
		paths[w.Name] = path
	}
	if len(stale) == 0 {
		return paths, nil
	}
	if err := os.MkdirAll(s.Bin, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of binaries: %w", err)
	}
	for i, w := range stale {
		b := build{store: s, want: w, began: time.Now(), report: progress}
		b.progress = Progress{Name: w.Name, Index: i + 1, Total: len(stale)}
		if err := b.run(ctx); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// find says where a binary is or will be, and whether it needs no work.
func (s Store) find(w Want, seen stats) (path string, fresh bool, err error) {
	switch w.Source {
	case spec.SourceSystem:
		command := w.Asset
		if command == "" {
			command = w.Name
		}
		path, err := exec.LookPath(command)
		if err != nil {
			return "", false, &Error{w, err, "install the package of your system that has it, or correct the spec's dep.asset"}
		}
		return path, true, nil
	case spec.SourceGoBuild:
		if s.Workspace == "" {
			path, err := installed(w.Name)
			return path, true, err
		}
		path = filepath.Join(s.Bin, w.Name)
		return path, s.fresh(w, seen), nil
	}
	return "", false, &Error{w, errors.ErrUnsupported, fmt.Sprintf("not supported yet: dep source %q", w.Source)}
}

// installed finds a binary of this platform where there is no source tree.
func installed(name string) (string, error) {
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(exe), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &Error{Want{Name: name, Source: spec.SourceGoBuild}, err,
			"start the launcher inside the source tree, or install the binary beside it or on PATH"}
	}
	return path, nil
}

// FindWorkspace returns the root of the source tree that dir lies in: the
// nearest directory upwards whose go.work uses ./shared.
func FindWorkspace(dir string) (string, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.work"))
		if err == nil && strings.Contains(string(b), "./shared") {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
