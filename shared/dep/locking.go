package dep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

func hashBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Locking is what [Store.Lock] is to do.
type Locking struct {
	// Platforms are locked beside those that a lock file has already; that of the
	// store if empty.
	Platforms []string
	// Update asks again for what is locked already.
	Update bool
	// Prune drops what none of the wants is about.
	Prune bool
}

// Locked is what became of one want on one platform.
type Locked struct {
	Want     Want
	Platform string
	File     string     // the lock file
	Asset    lock.Asset // what is locked now
	Before   lock.Asset // what was locked for the same; the zero value if nothing
}

// Changed reports whether the lock file has something new.
func (l Locked) Changed() bool { return l.Asset != l.Before }

// Lock finds out what there is for each want and writes it to the lock files. What
// is locked already stays as it is, unless it is to be updated. What was found is
// kept, whatever else failed. report may be nil.
func (s Store) Lock(ctx context.Context, wants []Want, o Locking, report func(Progress)) ([]Locked, error) {
	if report == nil {
		report = func(Progress) {}
	}
	for _, dir := range []string{s.in(partialDir), s.in(locksDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the directory for downloads: %w: %s", err, writable)
		}
	}
	unlock, err := s.hold(ctx, "lockfile", func(Progress) {})
	if err != nil {
		return nil, err
	}
	defer unlock()
	byFile := map[string][]Want{}
	for _, w := range wants {
		if w.Source.Locked() {
			byFile[s.LockFile(w)] = append(byFile[s.LockFile(w)], w)
		}
	}
	var all []Locked
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(byFile)) {
		done, err := s.lockFile(ctx, path, byFile[path], o, report)
		all = append(all, done...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (s Store) lockFile(ctx context.Context, path string, wants []Want, o Locking, report func(Progress)) ([]Locked, error) {
	file, err := lock.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%w: take the file from version control again, or remove it", err)
	}
	platforms := slices.Clone(o.Platforms)
	if len(platforms) == 0 {
		platforms = []string{s.platform()}
	}
	for _, d := range file.Deps {
		platforms = append(platforms, slices.Collect(maps.Keys(d.Platforms))...)
	}
	slices.Sort(platforms)
	platforms = slices.Compact(platforms)
	if o.Prune {
		maps.DeleteFunc(file.Deps, func(id string, _ lock.Dep) bool {
			return !slices.ContainsFunc(wants, func(w Want) bool { return w.ID() == id })
		})
	}
	var all []Locked
	var errs []error
	for i, w := range wants {
		tell := teller(w.Name, i+1, len(wants), report)
		for _, platform := range platforms {
			l := Locked{Want: w, Platform: platform, File: path}
			l.Before, _ = file.Find(w.ID(), w.Origin(), platform)
			if l.Asset = l.Before; o.Update || l.Asset == (lock.Asset{}) {
				p := pinned{Want: w, platform: platform}
				p.goos, p.goarch, _ = strings.Cut(platform, "/")
				if l.Asset, err = s.resolve(ctx, p, tell); err != nil {
					if ctx.Err() != nil {
						return all, err
					}
					var known *Error
					if !errors.As(err, &known) {
						err = p.explain(err)
					}
					tell(Progress{Phase: PhaseFailed, Err: err})
					errs = append(errs, err)
					continue
				}
				file.Set(w.ID(), w.Origin(), platform, l.Asset)
				tell(Progress{Phase: PhaseLocked})
			}
			all = append(all, l)
		}
	}
	return all, errors.Join(append(errs, lock.Write(path, file))...)
}

// resolve finds out what there is for a want on a platform.
func (s Store) resolve(ctx context.Context, p pinned, tell func(Progress)) (lock.Asset, error) {
	if err := p.check(); err != nil {
		return lock.Asset{}, err
	}
	tell(Progress{Phase: PhaseResolving})
	switch p.Source {
	case spec.SourceGitHubRelease:
		return s.resolveRelease(ctx, p, tell)
	case spec.SourceHTTP:
		return s.resolveURL(ctx, p, tell)
	case spec.SourceFile:
		return s.resolveFile(ctx, p)
	case spec.SourceGoInstall:
		return s.resolveModule(ctx, p)
	case spec.SourceOCI:
		return s.resolveImage(ctx, p)
	}
	return lock.Asset{}, &Error{p.Name, p.Source, errors.New("it needs no lock"), ""}
}
