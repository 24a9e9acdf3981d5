package dep

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

// pinned is a want with what is locked for it.
type pinned struct {
	Want
	asset        lock.Asset
	platform     string // "os/arch"
	goos, goarch string
}

// ID names a dependency in the lock file.
func (w Want) ID() string { return fmt.Sprintf("%s@%s from %s", w.Name, w.Version, w.Source) }

// Origin is what the spec says of the source. Where it changes, what was locked
// counts no more.
func (w Want) Origin() string {
	switch w.Source {
	case spec.SourceGitHubRelease:
		return fmt.Sprintf("%s %s %s", w.repo(), w.tags()[0], w.Asset)
	case spec.SourceHTTP:
		return w.URL
	}
	return w.Asset
}

func (w Want) repo() string {
	if w.Repo != "" {
		return w.Repo
	}
	return w.Name + "/" + w.Name
}

// tags are the templates of the release's tag, in the order in which they are
// tried.
func (w Want) tags() []string {
	if w.Tag != "" {
		return []string{w.Tag}
	}
	if strings.HasPrefix(w.Version, "v") {
		return []string{"{version}"}
	}
	return []string{"v{version}", "{version}"}
}

func (s Store) platform() string {
	if s.Platform != "" {
		return s.Platform
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// LockFile is the lock file that counts for a want: the workspace's for its own
// services, the root's for all others.
func (s Store) LockFile(w Want) string {
	if s.Workspace != "" && w.Dir != "" {
		rel, err := filepath.Rel(filepath.Join(absolute(s.Workspace), "services"), absolute(w.Dir))
		if err == nil && filepath.IsLocal(rel) {
			return filepath.Join(s.Workspace, lock.Name)
		}
	}
	return filepath.Join(s.Root, lock.Name)
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// check refuses what cannot be installed whatever the lock file says.
func (w Want) check() error {
	fail := func(err error, fix string) error { return &Error{w.Name, w.Source, err, fix} }
	switch {
	case !validName(w.Name):
		return fail(fmt.Errorf("the name %q is no file name of letters, digits, '.', '-' and '_'", w.Name), "correct field dep.name")
	case w.Source == spec.SourceHTTP && w.URL == "":
		return fail(errors.New("it does not say what to download"), "set field dep.url")
	case w.Source != spec.SourceHTTP && w.Asset == "":
		return fail(errors.New("it does not say what to install"), "set field dep.asset")
	case w.Version == "" && (w.Source == spec.SourceGoInstall || w.Source == spec.SourceOCI):
		return fail(errors.New("it does not say which version to install"), "set field dep.version")
	}
	return nil
}

// pinned finds what is locked for a want. What is not locked is refused.
func (s Store) pinned(w Want) (pinned, error) {
	p := pinned{Want: w, platform: s.platform()}
	p.goos, p.goarch, _ = strings.Cut(p.platform, "/")
	fail := func(err error, fix string) (pinned, error) {
		return p, &Error{w.Name, w.Source, err, fix}
	}
	if err := w.check(); err != nil {
		return p, err
	}
	if s.Root == "" || s.Bin == "" {
		return fail(errors.New("there is no directory to install into"), "set Root and Bin")
	}
	path := s.LockFile(w)
	file, err := lock.Read(path)
	if err != nil {
		return fail(err, "take the file from version control again, or remove it and run `launcher dep lock`")
	}
	a, ok := file.Find(w.ID(), w.Origin(), p.platform)
	if !ok {
		run := "run `launcher dep lock " + w.Name + "` and keep the file"
		d, known := file.Deps[w.ID()]
		switch {
		case !known:
			return fail(fmt.Errorf("%s is not locked in %s", w.ID(), path), run)
		case d.Origin != w.Origin():
			return fail(fmt.Errorf("%s is locked in %s for %q, and the spec says %q", w.ID(), path, d.Origin, w.Origin()), "correct field dep, or "+run)
		}
		have := strings.Join(slices.Sorted(maps.Keys(d.Platforms)), ", ")
		return fail(fmt.Errorf("%s is not locked for %s in %s, only for %s", w.ID(), p.platform, path, have), fmt.Sprintf("run `launcher dep lock %s --platform %s` and keep the file", w.Name, p.platform))
	}
	if (w.Source == spec.SourceGoInstall) != (a.Module != "") || (w.Source == spec.SourceOCI) != (a.Digest != "") ||
		a.URL == "" && (w.Source == spec.SourceHTTP || w.Source == spec.SourceGitHubRelease) {
		return fail(fmt.Errorf("what %s has of %s is not for this source", path, w.ID()), "run `launcher dep lock --update "+w.Name+"` and keep the file")
	}
	p.asset = a
	return p, nil
}

// key names the directory of what is installed: by its content, or, where it is
// built here, by all that it is built from.
func (p pinned) key() string {
	if p.asset.Module == "" {
		return p.asset.SHA256
	}
	h := sha256.Sum256([]byte(strings.Join([]string{p.asset.Module, p.asset.Sum, p.expand(p.Asset), p.platform}, "\n")))
	return hex.EncodeToString(h[:])
}

func (p pinned) expand(text string) string { return p.Expand(text, p.goos, p.goarch) }
