package dep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"core.internal/shared/dep/archive"
	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
)

// teller returns what tells of one dependency's progress; downloads not more often
// than people can read.
func teller(name string, index, total int, report func(Progress)) func(Progress) {
	began := time.Now()
	var last time.Time
	return func(p Progress) {
		if p.Phase == PhaseDownloading && p.Bytes != p.BytesTotal && p.Bytes > 0 && time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		p.Name, p.Index, p.Total, p.Elapsed = name, index, total, time.Since(began)
		report(p)
	}
}

// writable is the fix where a directory cannot be written to.
const writable = "make the directory writable, or choose another with --root"

// install brings what is pinned into the store and switches the links to it.
func (s Store) install(ctx context.Context, p pinned, tell func(Progress)) (string, error) {
	path, err := s.installLocked(ctx, p, tell)
	if err != nil {
		var known *Error
		if !errors.As(err, &known) {
			err = p.explain(err)
		}
		tell(Progress{Phase: PhaseFailed, Err: err})
		return "", err
	}
	tell(Progress{Phase: PhaseInstalled})
	return path, nil
}

// explain says which field or directory an error is about.
func (p pinned) explain(err error) error {
	fix := ""
	var refused *archive.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, fetch.ErrOffline):
		fix = "install it once with the network, or use a mirror or a file in field dep.source"
	case errors.Is(err, fetch.ErrMismatch):
		fix = "if what the publisher offers has changed for a good reason, run `launcher dep lock --update " + p.Name + "`; otherwise do not use it"
	case errors.As(err, &refused):
		fix = "correct " + p.field() + ", or ask the publisher for an archive that is whole and harmless"
	case errors.Is(err, os.ErrPermission):
		fix = writable
	case fetch.Status(err) == 401, fetch.Status(err) == 403, fetch.Status(err) == 404:
		fix = "correct " + p.field() + "; if it is not public, set " + TokenVariable + " or a mirror"
	case fetch.Status(err) != 0, errors.As(err, new(*fetch.Error)):
		fix = "try again, or set a mirror in dep.mirrors"
	default:
		var path *os.PathError
		if errors.As(err, &path) {
			fix = writable
		}
	}
	return &Error{p.Name, p.Source, err, fix}
}

// field is the member of the spec that says what is downloaded.
func (w Want) field() string {
	if w.Source == spec.SourceHTTP {
		return "field dep.url"
	}
	return "field dep.asset"
}

func (s Store) installLocked(ctx context.Context, p pinned, tell func(Progress)) (string, error) {
	key := p.key()
	for _, dir := range []string{s.Bin, s.in(partialDir), s.in(installedDir), s.in(locksDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	unlock, err := s.hold(ctx, key, tell)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, ok := s.present(p); ok {
		return path, nil // another process was faster
	}
	e, ok := s.entry(key)
	if ok {
		damage, err := s.damage(key, e)
		ok = err == nil && len(damage) == 0
	}
	if !ok {
		if e, err = s.unpack(ctx, p, key, tell); err != nil {
			return "", err
		}
	}
	links, main, err := p.links(e.Files)
	if err != nil {
		return "", err
	}
	for _, at := range links {
		if err := p.checkProgram(s.in(key, treeDir), at); err != nil {
			return "", err
		}
	}
	if err := s.switchLinks(ctx, p.Want, record{Version: storeVersion, ID: p.ID(), Key: key, Links: links}); err != nil {
		return "", err
	}
	return filepath.Join(absolute(s.Bin), main), nil
}

// hold takes a lock among processes.
func (s Store) hold(ctx context.Context, name string, tell func(Progress)) (unlock func(), err error) {
	lock := flock.New(s.in(locksDir, name))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		tell(Progress{Phase: PhaseWaiting})
		_, err = lock.TryLockContext(ctx, 20*time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("lock it against other processes: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// unpack fetches and verifies, unpacks into a directory of its own, and puts it in
// place at once.
func (s Store) unpack(ctx context.Context, p pinned, key string, tell func(Progress)) (entry, error) {
	tmp := s.in(newPrefix + key)
	if err := os.RemoveAll(tmp); err != nil { // of a process that was killed
		return entry{}, err
	}
	defer os.RemoveAll(tmp)
	tree := filepath.Join(tmp, treeDir)
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return entry{}, err
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return entry{}, err
	}
	defer root.Close()
	u := &archive.Unpacker{Root: root, FoldCase: runtime.GOOS == "darwin" || runtime.GOOS == "windows"}
	done := func() {}
	switch p.Source {
	case spec.SourceOCI:
		err = s.pull(ctx, p, u, tell)
	case spec.SourceGoInstall:
		err = s.goInstall(ctx, p, tmp, u, tell)
	default:
		done, err = s.download(ctx, p, u, tell)
	}
	if err != nil {
		return entry{}, err
	}
	e := entry{Version: storeVersion, ID: p.ID(), Files: u.Files()}
	if err := writeJSON(filepath.Join(tmp, entryFile), e); err != nil {
		return entry{}, err
	}
	if err := syncFiles(tmp); err != nil {
		return entry{}, err
	}
	if err := os.RemoveAll(s.in(key)); err != nil { // one that was damaged
		return entry{}, err
	}
	if err := os.Rename(tmp, s.in(key)); err != nil {
		return entry{}, err
	}
	done()
	return e, nil
}

// download fetches one file, verifies and unpacks it. done removes what was
// downloaded.
func (s Store) download(ctx context.Context, p pinned, u *archive.Unpacker, tell func(Progress)) (done func(), err error) {
	file := s.in(partialDir, p.asset.SHA256)
	switch p.Source {
	case spec.SourceFile:
		err = s.copyFile(ctx, p, file)
	default:
		err = s.fetchAsset(ctx, p, file, tell)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tell(Progress{Phase: PhaseUnpacking})
	u.Limits.Packed = p.asset.Size
	if err := u.Unpack(ctx, f, p.fileName(), p.Name); err != nil {
		var refused *archive.Error
		if errors.As(err, &refused) {
			os.Remove(file)
		}
		return nil, fmt.Errorf("unpack %s: %w", p.fileName(), err)
	}
	return func() { os.Remove(file) }, nil
}

// fileName is the name of what is downloaded, which tells how it is packed.
func (p pinned) fileName() string {
	if p.Source == spec.SourceHTTP {
		return urlBase(p.asset.URL)
	}
	return filepath.Base(p.expand(p.Asset))
}

// switchLinks makes Bin lead to a tree, one link after the other at once. Names of
// others are not taken from them.
func (s Store) switchLinks(ctx context.Context, w Want, r record) error {
	unlock, err := s.hold(ctx, "links", func(Progress) {})
	if err != nil {
		return err
	}
	defer unlock()
	all, err := s.records()
	if err != nil {
		return err
	}
	for name := range r.Links {
		for owner, other := range all {
			if _, taken := other.Links[name]; taken && owner != w.Name {
				return &Error{w.Name, w.Source, fmt.Errorf("%s is a binary of %s already", filepath.Join(s.Bin, name), other.ID), "name other binaries in field dep.bin, or remove the other dependency and run `launcher dep gc`"}
			}
		}
		info, err := os.Lstat(filepath.Join(s.Bin, name))
		if err == nil && info.Mode().Type() != os.ModeSymlink {
			return &Error{w.Name, w.Source, fmt.Errorf("%s is there already, and was not installed from a lock file", filepath.Join(s.Bin, name)), "remove it, or correct field dep.name or dep.bin"}
		}
	}
	before := all[w.Name]
	if err := writeJSON(s.in(installedDir, w.Name), r); err != nil {
		return err
	}
	for name, path := range r.Links {
		if err := renameio.Symlink(s.target(r.Key, path), filepath.Join(s.Bin, name)); err != nil {
			return err
		}
	}
	for name := range before.Links {
		if _, kept := r.Links[name]; !kept {
			s.unlink(name)
		}
	}
	return nil
}

// unlink removes a link, if it is one of this store.
func (s Store) unlink(name string) {
	link := filepath.Join(s.Bin, name)
	if _, ok := s.leadsTo(link); ok {
		os.Remove(link)
	}
}

// syncFiles writes through what was unpacked, before it is put in place.
func syncFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
