package dep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
)

// Want is one binary that should be there, or several of one archive.
type Want struct {
	spec.Dep
	// Dir is the directory of the spec: files are looked for below it, and it tells
	// which lock file counts.
	Dir string
}

// WantOf is what a spec's dep asks for; ok is false where it has none.
func WantOf(s spec.Located) (w Want, ok bool) {
	if s.Dep == nil {
		return Want{}, false
	}
	return Want{Dep: *s.Dep, Dir: s.Dir}, true
}

// Store is where binaries are. Bin is required, and Root for what is downloaded.
type Store struct {
	Bin       string // directory for what is built, and for links to what is installed
	Workspace string // root of the workspace to build from; see [FindWorkspace]
	// Root is the directory of nodes: below it are the installed trees, and it has
	// the lock file of specs that are not the workspace's.
	Root string
	// Path is where commands are looked for; $PATH if empty.
	Path string
	// Beside is where binaries of an installation are; the directory of the
	// running executable if empty.
	Beside string

	Network
	// Platform is what is installed for, as in "linux/amd64"; that of this program
	// if empty.
	Platform string
	// Thorough reads all that is installed, and installs again what is damaged.
	Thorough bool
}

// Error says why a binary is not there.
type Error struct {
	Name   string // of the binary
	Source spec.Source
	Err    error
	Fix    string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("dependency %s (%s): %v", e.Name, e.Source, e.Err)
	if e.Fix != "" {
		s += ": " + e.Fix
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the binary may be had at another attempt, with nothing
// corrected.
func (e *Error) Temporary() bool {
	var unreached *unreachedError
	return fetch.Temporary(e.Err) || errors.As(e.Err, &unreached)
}

// Phase is what is being done about a binary.
type Phase string

// Phases, in the order in which they come. A binary that is there already has none.
const (
	PhaseWaiting     Phase = "waiting" // another process builds or installs it
	PhaseListing     Phase = "listing" // its packages
	PhaseBuilding    Phase = "building"
	PhaseBuilt       Phase = "built"
	PhaseResolving   Phase = "resolving" // what to lock
	PhaseDownloading Phase = "downloading"
	PhaseUnpacking   Phase = "unpacking"
	PhaseInstalled   Phase = "installed"
	PhaseLocked      Phase = "locked"
	PhaseFailed      Phase = "failed"
)

// Progress tells how far Ensure has come.
type Progress struct {
	Name         string
	Index, Total int // which of the binaries that are not there yet, from 1
	Phase        Phase
	// Packages were compiled of at most PackagesTotal: those that the cache has
	// are not compiled.
	Packages, PackagesTotal int
	// Bytes are there of BytesTotal, which is -1 where it is not known.
	Bytes, BytesTotal int64
	Elapsed           time.Duration // since this binary's turn
	Err               error         // of PhaseFailed
}

// String is a line for people.
func (p Progress) String() string {
	s := fmt.Sprintf("%s %s (%d of %d)", p.Phase, p.Name, p.Index, p.Total)
	switch p.Phase {
	case PhaseWaiting:
		s = fmt.Sprintf("waiting for another process that makes %s (%d of %d)", p.Name, p.Index, p.Total)
	case PhaseListing:
		s = fmt.Sprintf("looking what %s is made of (%d of %d)", p.Name, p.Index, p.Total)
	case PhaseBuilding:
		if p.Packages > 0 {
			s += fmt.Sprintf(": %d of up to %d packages", p.Packages, p.PackagesTotal)
		}
	case PhaseDownloading:
		if p.BytesTotal > 0 {
			s += fmt.Sprintf(": %s of %s", Bytes(p.Bytes), Bytes(p.BytesTotal))
		} else if p.Bytes > 0 {
			s += ": " + Bytes(p.Bytes)
		}
	case PhaseFailed:
		return fmt.Sprintf("%s: %v", s, p.Err)
	}
	if p.Elapsed >= time.Second {
		s += fmt.Sprintf(", %v", p.Elapsed.Round(100*time.Millisecond))
	}
	return s
}

// Bytes is a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Ensure makes every wanted binary be there and returns their paths by name. What
// can be said without building or downloading is said first, all at once. What is
// downloaded must be locked; one that cannot be installed keeps none of the others
// from it. report may be nil.
func (s Store) Ensure(ctx context.Context, wants []Want, report func(Progress)) (map[string]string, error) {
	if report == nil {
		report = func(Progress) {}
	}
	paths := make(map[string]string, len(wants))
	asked := make(map[string]Want, len(wants))
	var build []Want
	var install []pinned
	var errs []error
	for _, w := range wants {
		if other, ok := asked[w.Name]; ok {
			if !other.Dep.Equal(w.Dep) {
				errs = append(errs, &Error{w.Name, w.Source, fmt.Errorf("it is wanted twice, as %s %s and as %s %s", other.Source, other.where(), w.Source, w.where()), "correct field dep of one of the specs"})
			}
			continue
		}
		asked[w.Name] = w
		if w.Source.Locked() {
			p, err := s.pinned(w)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if path, ok := s.present(p); ok {
				paths[w.Name] = path
				continue
			}
			install = append(install, p)
			continue
		}
		path, err := s.find(w)
		switch {
		case err != nil:
			errs = append(errs, err)
		case path != "":
			paths[w.Name] = path
		default:
			build = append(build, w)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	built, err := s.build(ctx, build, report)
	if err != nil {
		return nil, err
	}
	maps.Copy(paths, built)
	for i, p := range install {
		path, err := s.install(ctx, p, teller(p.Name, i+1, len(install), report))
		if err != nil {
			errs = append(errs, err)
		}
		paths[p.Name] = path
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return paths, nil
}

// where is what a want names beside its source.
func (w Want) where() string {
	if w.Source == spec.SourceHTTP {
		return w.URL
	}
	return w.Asset
}

// find returns the path of a binary that is not to be built, and "" for one that is.
func (s Store) find(w Want) (string, error) {
	fail := func(err error, fix string) (string, error) { return "", &Error{w.Name, w.Source, err, fix} }
	if !validName(w.Name) {
		return fail(fmt.Errorf("the name %q is no file name of letters, digits, '.', '-' and '_'", w.Name), "correct field dep.name")
	}
	switch w.Source {
	case spec.SourceSystem:
		return s.system(w)
	case spec.SourceGoBuild:
		if s.Bin == "" {
			return fail(errors.New("there is no directory for binaries"), "set Bin")
		}
		if err := checkPackage(w.Asset); err != nil {
			return fail(err, `correct field dep.asset, as in "./services/alpha"`)
		}
		if s.Workspace == "" {
			return s.installed(w)
		}
		return "", nil
	case "":
		return fail(errors.New("it has no source"), `set field dep.source, as in "go-build" or "system"`)
	default:
		return fail(fmt.Errorf("there is no dep source %q", w.Source), `use one of those that docs/dependencies.md lists in field dep.source`)
	}
}

func validName(name string) bool {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return name != "" && len(name) <= 128
}

// checkPackage keeps what is no package from the go command's command line.
func checkPackage(p string) error {
	switch {
	case p == "":
		return errors.New("it does not say which package to build")
	case strings.HasPrefix(p, "-"), strings.ContainsAny(p, "@ \t\r\n\x00\\"), strings.Contains(p, "..."), filepath.IsAbs(p):
		return fmt.Errorf("%q is not the path of one package of the workspace", p)
	}
	return nil
}

// installed finds a binary of an installation.
func (s Store) installed(w Want) (string, error) {
	beside := s.Beside
	if beside == "" {
		if exe, err := os.Executable(); err == nil {
			beside = filepath.Dir(exe)
		}
	}
	for _, dir := range []string{beside, s.Bin} {
		if path, ok := executable(filepath.Join(dir, w.Name)); dir != "" && ok {
			return path, nil
		}
	}
	if path, ok := s.lookPath(w.Name); ok {
		return path, nil
	}
	return "", &Error{w.Name, w.Source,
		fmt.Errorf("there is no workspace to build it from, and it is neither in %s nor in %s nor on PATH", beside, s.Bin),
		"start in a clone of the repository, or install it beside this executable"}
}
