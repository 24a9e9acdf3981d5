package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"core.internal/shared/dep/archive"
	"core.internal/shared/spec"
)

// stampFile is in every directory that was made from an archive, with the archive's
// SHA-256: the two come to be together.
const stampFile = ".core-archive"

// extract makes a directory of what an archive has, unless it is that archive's
// already. What was there of another archive stays whole until then and is exchanged
// at once. Who may change the directory's files may change the stamp: it saves
// work, it proves nothing.
func (p *preparer) extract(ctx context.Context, at place, e spec.Ensure) error {
	if err := p.ownDirectory(at); err != nil {
		return err
	}
	stamp, err := p.stampOf(at)
	if err != nil {
		return err
	}
	mode := e.Mode.Perm(0o700)
	if stamp == e.SHA256 {
		info, err := at.root.Lstat(at.rel)
		if err != nil {
			return &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
		}
		return p.settle(at, info, mode)
	}
	return p.fetched(ctx, e, func(from *os.File) error {
		if _, err := p.mkdirs(at, filepath.Dir(at.rel)); err != nil {
			return err
		}
		temp, err := at.beside(func(name string) error { return at.root.Mkdir(name, 0o700) })
		if err != nil {
			return unwritable(at, err)
		}
		defer at.root.RemoveAll(temp) // what failed, or was there before
		if err := p.unpack(ctx, at, temp, from, e, mode); err != nil {
			return err
		}
		return p.switchTo(at, temp, e.SHA256)
	})
}

// ownDirectory refuses a target in which other things are at home: a new archive
// would take their place.
func (p *preparer) ownDirectory(at place) error {
	id := string(p.spec.ID)
	for _, dir := range []string{p.Layout.Data(id), p.Layout.Conf(id)} {
		if rel, err := filepath.Rel(at.path, dir); err == nil && filepath.IsLocal(rel) {
			return &targetError{fmt.Errorf("%s is not for one archive alone, and another one would replace all that is in it: name a directory of its own", at.path)}
		}
	}
	return nil
}

// stampOf returns the digest of the archive that a directory was made from; "" where
// there is none, or an empty one. Anything else is not ours to replace, whatever it has
// in place of a stamp.
func (p *preparer) stampOf(at place) (string, error) {
	const fix = "move it away, or choose another target"
	info, err := at.root.Lstat(at.rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
	case !info.IsDir():
		return "", &targetError{fmt.Errorf("%s is there and no directory: %s", at.path, fix)}
	}
	f, err := at.root.OpenFile(filepath.Join(at.rel, stampFile), os.O_RDONLY|noFollow, 0)
	if err == nil {
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, 2*sha256.Size+1))
		if sum, herr := hex.DecodeString(string(text)); err == nil && herr == nil && len(sum) == sha256.Size {
			return string(text), nil
		}
	}
	dir, err := at.root.Open(at.rel)
	if err != nil {
		return "", &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); errors.Is(err, io.EOF) {
		return "", nil
	}
	return "", &targetError{fmt.Errorf("%s has files that came from no archive: %s", at.path, fix)}
}

// unpack fills the directory temp, which was just made, with what the archive has and
// its stamp, and writes it through.
func (p *preparer) unpack(ctx context.Context, at place, temp string, from *os.File, e spec.Ensure, mode fs.FileMode) error {
	root, err := at.root.OpenRoot(temp)
	if err != nil {
		return unwritable(at, err)
	}
	defer root.Close()
	top, err := root.Open(".")
	if err != nil {
		return unwritable(at, err)
	}
	defer top.Close()
	if info, err := top.Stat(); err != nil || !private(info) {
		// Where the directory around it is another user's, so may be what it was
		// exchanged for meanwhile.
		return &targetError{fmt.Errorf("unpack to %s: somebody changes what is beside it", at.path)}
	}
	size, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("read what was downloaded: %w", err)
	}
	u := &archive.Unpacker{
		Root: root, Limits: archive.Limits{Packed: size, Bytes: int64(e.MaxSize)},
		FoldCase: runtime.GOOS == "darwin" || runtime.GOOS == "windows",
	}
	if err := u.Unpack(ctx, from, "archive."+e.Extract, stampFile); err != nil {
		return refused(at, e, err)
	}
	stamp, err := root.OpenFile(stampFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the archive has %q, which marks what was unpacked: want an archive without it", stampFile)
	}
	if err != nil {
		return unwritable(at, err)
	}
	_, err = stamp.WriteString(e.SHA256)
	if err = errors.Join(err, stamp.Close()); err == nil {
		err = p.seal(root)
	}
	if err == nil && p.as != nil {
		err = top.Chown(int(p.as.UID), int(p.as.GID))
	}
	if err == nil {
		err = top.Chmod(mode)
	}
	if err == nil {
		err = p.sync(top)
	}
	if err != nil {
		return unwritable(at, err)
	}
	return nil
}

// private reports whether a directory is the supervisor's alone.
func private(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && info.IsDir() && info.Mode().Perm() == 0o700
}

// seal gives all that is in a tree to the account and writes it through; nobody else
// can reach it yet.
func (p *preparer) seal(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if p.as != nil {
			if err := root.Lchown(path, int(p.as.UID), int(p.as.GID)); err != nil {
				return err
			}
		}
		if !d.Type().IsRegular() && !d.IsDir() {
			return nil
		}
		f, err := root.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(p.sync(f), f.Close())
	})
}

// sync writes a file, or the names in a directory, through.
func (b *Services) sync(f *os.File) error {
	if b.Sync != nil {
		return b.Sync(f)
	}
	return f.Sync()
}

// syncBeside writes the names through that are beside a target, and its own.
func (p *preparer) syncBeside(at place) error {
	dir, err := at.root.Open(filepath.Dir(at.rel))
	if err != nil {
		return err
	}
	defer dir.Close()
	return p.sync(dir)
}

// switchTo puts a tree at its target: after a loss of power there is either what was
// before or the tree, each whole. What was before is not removed until the tree's name
// is on the disk. Services that share a target find that another was first.
func (p *preparer) switchTo(at place, temp, digest string) error {
	p.switching.Lock()
	defer p.switching.Unlock()
	stamp, err := p.stampOf(at)
	if err != nil || stamp == digest {
		return err
	}
	if _, err = at.root.Lstat(at.rel); err == nil {
		err = p.exchange(at, temp)
	} else {
		err = at.root.Rename(temp, at.rel)
	}
	if err == nil {
		err = p.syncBeside(at)
	}
	if err != nil {
		return unwritable(at, err)
	}
	p.changed("unpacked", at)
	return nil
}

// exchangeByTurns is exchange where the file system cannot do it at once: who looks in
// between finds nothing there.
func (p *preparer) exchangeByTurns(at place, temp string) error {
	before, err := at.beside(func(name string) error { return at.root.Rename(at.rel, name) })
	if err != nil {
		return err
	}
	defer at.root.RemoveAll(before)
	if err := at.root.Rename(temp, at.rel); err != nil {
		return errors.Join(err, at.root.Rename(before, at.rel))
	}
	return p.syncBeside(at)
}

// unwritable is an error of the place where something is to be made.
func unwritable(at place, err error) error {
	return &targetError{fmt.Errorf("write %s: %w: see who may write there, and what space is left", at.path, plain(err))}
}

// refused says what to do about an archive that cannot be unpacked.
func refused(at place, e spec.Ensure, err error) error {
	var bad *archive.Error
	switch {
	case errors.Is(err, syscall.ENAMETOOLONG):
		return &targetError{fmt.Errorf("unpack to %s: %w: the file system there takes no such name: choose a shorter target, or ask for an archive with shorter names", at.path, plain(err))}
	case !errors.As(err, &bad):
		var path *os.PathError
		if errors.As(err, &path) || errors.As(err, new(*os.LinkError)) {
			return unwritable(at, err)
		}
		return err
	case bad.TooLong:
		return fmt.Errorf("unpack it: %w: ask for an archive with shorter names", err)
	case bad.TooLarge:
		return fmt.Errorf("unpack it: %w: raise maxSize, %s, if it may become so large", err, e.MaxSize)
	}
	return fmt.Errorf("unpack it: %w: correct the URL with its sha256 and extract, or ask for an archive that is whole and harmless", err)
}
