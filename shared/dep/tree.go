package dep

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/google/renameio/v2"

	"core.internal/shared/dep/archive"
)

// Below the root's directory "store" are
//
//	<key>/entry.json   what was unpacked
//	<key>/tree/…       the files
//	partial/<sha256>   downloads that go on
//	installed/<name>   which tree a dependency's links lead to
//	locks/…            of processes that install
const (
	storeDir     = "store"
	treeDir      = "tree"
	entryFile    = "entry.json"
	partialDir   = "partial"
	installedDir = "installed"
	locksDir     = "locks"
	newPrefix    = ".new-"
)

func (s Store) in(parts ...string) string {
	return filepath.Join(append([]string{absolute(s.Root), storeDir}, parts...)...)
}

// entry says what was unpacked into a tree.
type entry struct {
	Version int                     `json:"version"`
	ID      string                  `json:"id"` // of the dependency that it was first installed for
	Files   map[string]archive.File `json:"files"`
}

// record says which links a dependency has.
type record struct {
	Version int               `json:"version"`
	ID      string            `json:"id"`
	Key     string            `json:"key"`
	Links   map[string]string `json:"links"` // in Bin, to paths in the tree
}

const storeVersion = 1

func decodeEntry(b []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(b, &e, json.RejectUnknownMembers(true)); err != nil {
		return entry{}, err
	}
	if e.Version != storeVersion || len(e.Files) == 0 {
		return entry{}, fmt.Errorf("version %d with %d files", e.Version, len(e.Files))
	}
	for name := range e.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return entry{}, fmt.Errorf("file %q", name)
		}
	}
	return e, nil
}

func decodeRecord(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r, json.RejectUnknownMembers(true)); err != nil {
		return record{}, err
	}
	if key, err := hex.DecodeString(r.Key); r.Version != storeVersion || err != nil || len(key) != sha256.Size {
		return record{}, fmt.Errorf("version %d with key %q", r.Version, r.Key)
	}
	for name, path := range r.Links {
		if !validName(name) || !filepath.IsLocal(filepath.FromSlash(path)) {
			return record{}, fmt.Errorf("link %q to %q", name, path)
		}
	}
	return r, nil
}

// entry reads what a tree has. One that cannot be read counts as absent, and is
// installed anew.
func (s Store) entry(key string) (entry, bool) {
	b, err := os.ReadFile(s.in(key, entryFile))
	if err != nil {
		return entry{}, false
	}
	e, err := decodeEntry(b)
	return e, err == nil
}

// record reads a dependency's record; one that cannot be read counts as absent.
func (s Store) record(name string) (record, bool) {
	b, err := os.ReadFile(s.in(installedDir, name))
	if err != nil {
		return record{}, false
	}
	r, err := decodeRecord(b)
	return r, err == nil
}

// records reads all records, by the dependency's name.
func (s Store) records() (map[string]record, error) {
	all := map[string]record{}
	entries, err := os.ReadDir(s.in(installedDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if r, ok := s.record(e.Name()); ok {
			all[e.Name()] = r
		}
	}
	return all, nil
}

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(b, '\n'), 0o644)
}

// target is what a link in Bin says: a relative path, so that a root can be moved.
// Where Bin itself is reached through a link, it begins where that leads.
func (s Store) target(key, path string) string {
	full := filepath.Join(real(s.in()), key, treeDir, filepath.FromSlash(path))
	if rel, err := filepath.Rel(real(s.Bin), full); err == nil {
		return rel
	}
	return full
}

// real is an absolute path without links; what is not there is taken as it is.
func real(path string) string {
	path = absolute(path)
	if r, err := filepath.EvalSymlinks(path); err == nil {
		return r
	}
	return path
}

// present returns the path of what is installed as it should be.
func (s Store) present(p pinned) (string, bool) {
	r, ok := s.record(p.Name)
	if !ok || r.Key != p.key() {
		return "", false
	}
	e, ok := s.entry(r.Key)
	if !ok {
		return "", false
	}
	if s.Thorough {
		if damage, err := s.damage(r.Key, e); err != nil || len(damage) > 0 {
			return "", false
		}
	}
	links, main, err := p.links(e.Files)
	if err != nil || len(links) != len(r.Links) {
		return "", false
	}
	for name, path := range links {
		link := filepath.Join(s.Bin, name)
		if to, err := os.Readlink(link); err != nil || to != s.target(r.Key, path) || r.Links[name] != path {
			return "", false
		}
		if _, ok := executable(link); !ok {
			return "", false
		}
	}
	return filepath.Join(absolute(s.Bin), main), true
}

// damage lists how a tree differs from what was unpacked. Directories that nothing
// is in do not count: what was unpacked is files and links.
func (s Store) damage(key string, e entry) ([]string, error) {
	root, err := os.OpenRoot(s.in(key, treeDir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var list []string
	for name, want := range e.Files {
		path := filepath.FromSlash(name)
		info, err := root.Lstat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			list = append(list, name+" is missing")
			continue
		case err != nil:
			return nil, err
		}
		if want.Link != "" {
			if to, err := root.Readlink(path); err != nil || filepath.ToSlash(to) != want.Link {
				list = append(list, name+" leads elsewhere")
			}
			continue
		}
		if !info.Mode().IsRegular() {
			list = append(list, name+" is no file")
			continue
		}
		if got := uint32(info.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid)); got != want.Mode {
			list = append(list, fmt.Sprintf("%s has mode %s", name, info.Mode()))
		}
		sum, err := hashFile(root, path)
		if err != nil {
			return nil, err
		}
		if sum != want.SHA256 {
			list = append(list, name+" has other content")
		}
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if _, ours := e.Files[name]; err == nil && !ours && !d.IsDir() {
			list = append(list, name+" is not of it")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return list, nil
}

func hashFile(root *os.Root, path string) (string, error) {
	f, err := root.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
