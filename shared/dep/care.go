package dep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"core.internal/shared/spec"
)

// Status is what is known of one want, without asking anybody.
type Status struct {
	Want     Want
	LockFile string // empty where it needs none
	Locked   bool   // for this platform, or it needs no lock
	Problem  string // why it is not locked or cannot be found
	// Installed says that it is there as it is locked. What is built has to be looked
	// at with Ensure.
	Installed bool
	Path      string // of the binary, where it is there
	Key       string // of its tree in the store
	Size      int64  // of the tree, bytes
}

// Status tells how a want stands.
func (s Store) Status(w Want) Status {
	st := Status{Want: w}
	if !w.Source.Locked() {
		st.Locked = true
		if w.Source == spec.SourceGoBuild && s.Workspace != "" {
			st.Path, st.Installed = executable(filepath.Join(s.Bin, w.Name))
			if !st.Installed {
				st.Path = ""
			}
			return st
		}
		path, err := s.find(w)
		if err != nil {
			st.Problem = err.Error()
		}
		st.Path, st.Installed = path, err == nil
		return st
	}
	st.LockFile = s.LockFile(w)
	p, err := s.pinned(w)
	if err != nil {
		st.Problem = err.Error()
		return st
	}
	st.Locked, st.Key = true, p.key()
	st.Path, st.Installed = s.present(p)
	if e, ok := s.entry(st.Key); ok {
		for _, f := range e.Files {
			st.Size += f.Size
		}
	}
	return st
}

// Verify reads everything that is installed for a want and lists what is not as it
// was when it was unpacked, and files that were not there then. Nothing of it means
// that all is well.
func (s Store) Verify(w Want) ([]string, error) {
	p, err := s.pinned(w)
	if err != nil {
		return nil, err
	}
	e, ok := s.entry(p.key())
	if !ok {
		return []string{"it is not installed"}, nil
	}
	list, err := s.damage(p.key(), e)
	if err != nil {
		return nil, p.explain(err)
	}
	if _, ok := s.present(p); !ok {
		list = append(list, "its links in "+s.Bin+" lead elsewhere")
	}
	return list, nil
}

// Removed is something that GC removed, or would.
type Removed struct {
	Path string
	ID   string // of the dependency, where it is known
	Size int64  // bytes
	// Kept says why it stays after all: a program of it runs.
	Kept string
}

// GC removes what none of the wants is about: trees, links to them, downloads that
// were not finished. What a running program is from stays, and so does what is
// being installed. With dry it only tells.
func (s Store) GC(ctx context.Context, wants []Want, dry bool) ([]Removed, error) {
	if _, err := os.Stat(s.in()); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	unlock, err := s.hold(ctx, "links", func(Progress) {})
	if err != nil {
		return nil, err
	}
	defer unlock()
	g := &collector{Store: s, dry: dry, keep: map[string]bool{}, running: running(s.in())}
	names := map[string]bool{}
	for _, w := range wants {
		names[w.Name] = w.Source.Locked()
		if p, err := s.pinned(w); err == nil && w.Source.Locked() {
			g.keep[p.key()] = true
		}
	}
	records, err := s.records()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(records)) {
		r := records[name]
		if names[name] || g.running[r.Key] {
			// Wanted as another version: it is what is there until that is installed.
			g.keep[r.Key] = true
			if !names[name] {
				g.removed = append(g.removed, Removed{Path: s.in(r.Key), ID: r.ID, Kept: "a program of it runs"})
			}
			continue
		}
		for link := range r.Links {
			g.remove(filepath.Join(s.Bin, link), r.ID)
		}
		g.remove(s.in(installedDir, name), r.ID)
		delete(records, name)
	}
	if err := g.links(records); err != nil {
		return g.removed, err
	}
	return g.removed, g.trees()
}

// collector removes what is not kept.
type collector struct {
	Store
	dry           bool
	keep, running map[string]bool // keys
	removed       []Removed
}

func (g *collector) remove(path, id string) {
	r := Removed{Path: path, ID: id}
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				r.Size += info.Size()
			}
		}
		return nil
	})
	if !g.dry {
		if err := os.RemoveAll(path); err != nil {
			r.Kept = err.Error()
		}
	}
	g.removed = append(g.removed, r)
}

// links removes links into the store that no record has.
func (g *collector) links(records map[string]record) error {
	owned := map[string]bool{}
	for _, r := range records {
		for name := range r.Links {
			owned[name] = true
		}
	}
	entries, err := os.ReadDir(g.Bin)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		key, ours := g.leadsTo(filepath.Join(g.Bin, e.Name()))
		known := slices.ContainsFunc(g.removed, func(r Removed) bool { return r.Path == filepath.Join(g.Bin, e.Name()) })
		if ours && !owned[e.Name()] && !g.running[key] && !known {
			g.remove(filepath.Join(g.Bin, e.Name()), "")
		}
	}
	return nil
}

// leadsTo returns the key of the tree that a link leads to.
func (s Store) leadsTo(link string) (key string, ok bool) {
	to, err := os.Readlink(link)
	if err != nil {
		return "", false
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(real(filepath.Dir(link)), to)
	}
	return keyOf(real(s.in()), to)
}

// keyOf returns the key of the tree that a path is in.
func keyOf(store, path string) (string, bool) {
	rel, err := filepath.Rel(store, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	key, _, below := strings.Cut(filepath.ToSlash(rel), "/")
	return key, below && len(key) == 64
}

// trees removes trees and downloads.
func (g *collector) trees() error {
	entries, err := os.ReadDir(g.in())
	if err != nil {
		return err
	}
	for _, e := range entries {
		key := strings.TrimPrefix(e.Name(), newPrefix)
		switch e.Name() {
		case partialDir, installedDir, locksDir:
			continue
		}
		if key == e.Name() && (g.keep[key] || g.running[key]) {
			if g.running[key] && !g.keep[key] {
				g.removed = append(g.removed, Removed{Path: g.in(key), Kept: "a program of it runs"})
			}
			continue
		}
		g.free(key, func() {
			id := ""
			if e, ok := g.entry(key); ok {
				id = e.ID
			}
			g.remove(g.in(e.Name()), id)
		})
	}
	entries, err = os.ReadDir(g.in(partialDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		key := strings.TrimSuffix(e.Name(), ".etag")
		if _, unpacked := g.entry(key); unpacked || !g.keep[key] {
			g.free(key, func() { g.remove(g.in(partialDir, e.Name()), "") })
		}
	}
	return nil
}

// free does something unless another process is at work on the key.
func (g *collector) free(key string, do func()) {
	for _, name := range []string{key, "layer-" + key} {
		lock := flock.New(g.in(locksDir, name))
		if ok, err := lock.TryLock(); err != nil || !ok {
			return
		}
		defer lock.Unlock()
	}
	do()
}

// Describe says in one line what a want is.
func (w Want) Describe() string {
	text := fmt.Sprintf("%s from %s", w.Name, w.Source)
	if w.Version != "" {
		text = fmt.Sprintf("%s %s from %s", w.Name, w.Version, w.Source)
	}
	if at := w.where(); at != "" {
		text += " " + at
	}
	return text
}
