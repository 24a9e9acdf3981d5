package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nuid"
)

// noFollow: a file that was looked at may have been replaced by a link, or by a
// pipe that nobody writes to.
const (
	noFollow = syscall.O_NOFOLLOW | nonblock
	nonblock = syscall.O_NONBLOCK
)

// mkdir makes a directory and those above it, and gives it permissions, where
// mode is not 0 also if it is there.
func (p *preparer) mkdir(at place, mode fs.FileMode) error {
	made, err := p.mkdirs(at, at.rel)
	if err != nil {
		return err
	}
	if made {
		p.changed("made directory", at)
	}
	if mode == 0 {
		return nil
	}
	if !made {
		if info, err := at.root.Stat(at.rel); err == nil && info.Mode().Perm() == mode {
			return nil
		}
	}
	if err := at.root.Chmod(at.rel, mode); err != nil {
		return &targetError{fmt.Errorf("set the permissions of %s: %w", at.path, err)}
	}
	if !made {
		p.changed("set the permissions of", at)
	}
	return nil
}

// mkdirs makes a directory and those above it that are missing, of the account. It
// reports whether it was missing itself.
func (p *preparer) mkdirs(at place, rel string) (made bool, err error) {
	if rel == "." {
		return false, nil
	}
	err = at.root.Mkdir(rel, 0o700)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if _, err := p.mkdirs(at, filepath.Dir(rel)); err != nil {
			return false, err
		}
		err = at.root.Mkdir(rel, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := at.root.Stat(rel); statErr == nil && info.IsDir() {
			return false, nil
		}
		if rel == at.rel {
			return false, &targetError{fmt.Errorf("%s is no directory: move it away", at.path)}
		}
		return false, &targetError{fmt.Errorf("make directory %s: %s on the way is no directory: move it away", at.path, rel)}
	}
	if err == nil && p.as != nil {
		err = at.root.Lchown(rel, int(p.as.UID), int(p.as.GID))
	}
	if err != nil {
		return false, &targetError{fmt.Errorf("make directory %s: %w: see who may write there", at.path, plain(err))}
	}
	return true, nil
}

// plain takes the path, which is relative to a root, from an error.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// install makes a file that has what from has, unless it has that already. It is
// there whole or not at all.
func (p *preparer) install(at place, mode fs.FileMode, from io.ReadSeeker) error {
	info, err := at.root.Lstat(at.rel)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
	case err == nil && info.IsDir():
		return &targetError{fmt.Errorf("%s is a directory: move it away, or choose another target", at.path)}
	case err == nil && info.Mode().IsRegular():
		same, err := sameAs(at, from)
		if err != nil {
			return err
		}
		if same {
			return p.settle(at, info, mode)
		}
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return p.replace(at, mode, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	}, "wrote")
}

// settle gives a file that is as it should be the right permissions and owner.
func (p *preparer) settle(at place, info fs.FileInfo, mode fs.FileMode) error {
	owned := p.as == nil || ownedBy(info, p.as)
	if info.Mode().Perm() == mode && owned {
		return nil
	}
	f, err := at.root.OpenFile(at.rel, os.O_RDONLY|noFollow, 0)
	if err == nil {
		defer f.Close()
		if !owned {
			err = f.Chown(int(p.as.UID), int(p.as.GID))
		}
		if err == nil {
			err = f.Chmod(mode)
		}
	}
	if err != nil {
		return &targetError{fmt.Errorf("set the permissions of %s: %w", at.path, plain(err))}
	}
	p.changed("set the permissions of", at)
	return nil
}

// sameAs reports whether a file has what from has.
func sameAs(at place, from io.Reader) (bool, error) {
	f, err := at.root.OpenFile(at.rel, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return false, nil // it is replaced, or the reason is found then
	}
	defer f.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(from, a)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		m, _ := io.ReadFull(f, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		if n < len(a) {
			return true, nil
		}
	}
}

// beside makes something next to where it is to be, under a name that nothing has:
// what is there is never ours to remove. make fails with [fs.ErrExist] for a name
// that is taken.
func (a place) beside(make func(name string) error) (string, error) {
	dir := filepath.Dir(a.rel)
	for n := 1; ; n++ { // that one is taken does not happen by itself
		name := filepath.Join(dir, hidden(a.rel)+nuid.Next())
		if err := make(name); !errors.Is(err, fs.ErrExist) || n == 3 {
			return name, err
		}
	}
}

// hidden is how the name of what is beside a target begins; suffix bytes follow.
func hidden(target string) string {
	base := filepath.Base(target)
	if len(base) > longestName {
		base = strings.ToValidUTF8(base[:longestName], "")
	}
	return "." + base + ".core-"
}

// suffix is how long an id of package nuid is.
const suffix = 22

// longestName is what of a name goes into that of the file beside it: file systems
// have at least 255 bytes.
const longestName = 200

// replace puts a file in place when all of it is written.
func (p *preparer) replace(at place, mode fs.FileMode, fill func(io.Writer) error, what string) error {
	fail := func(err error) error { return unwritable(at, err) }
	if _, err := p.mkdirs(at, filepath.Dir(at.rel)); err != nil {
		return err
	}
	var f *os.File
	temp, err := at.beside(func(name string) (err error) {
		f, err = at.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return fail(err)
	}
	w := &writer{f: f}
	err = fill(w)
	if w.err != nil {
		err = fail(w.err)
	}
	if err == nil && p.as != nil {
		if err = f.Chown(int(p.as.UID), int(p.as.GID)); err != nil {
			err = fail(err)
		}
	}
	if err == nil {
		if err = f.Chmod(mode); err != nil { // the umask does not count
			err = fail(err)
		}
	}
	if closed := f.Close(); err == nil && closed != nil {
		err = fail(closed)
	}
	if err == nil {
		if err = at.root.Rename(temp, at.rel); err != nil {
			err = fail(err)
		}
	}
	if err != nil {
		at.root.Remove(temp)
		return err
	}
	p.changed(what, at)
	return nil
}

// writer remembers that it failed, so that it is not taken for a failure of the
// source.
type writer struct {
	f   *os.File
	err error
}

func (w *writer) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	if err != nil {
		w.err = err
	}
	return n, err
}

// link makes a symbolic link. It replaces another link, and nothing else.
func (p *preparer) link(at place, to string) error {
	info, err := at.root.Lstat(at.rel)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
	case err == nil && info.Mode()&fs.ModeSymlink == 0:
		return &targetError{fmt.Errorf("%s is there and no symbolic link: move it away, or choose another target", at.path)}
	case err == nil:
		if now, err := at.root.Readlink(at.rel); err == nil && now == to {
			return nil
		}
	}
	if _, err := p.mkdirs(at, filepath.Dir(at.rel)); err != nil {
		return err
	}
	fail := func(err error) error {
		return &targetError{fmt.Errorf("link %s: %w: see who may write there", at.path, plain(err))}
	}
	temp, err := at.beside(func(name string) error { return at.root.Symlink(to, name) })
	if err != nil {
		return fail(err)
	}
	if p.as != nil {
		err = at.root.Lchown(temp, int(p.as.UID), int(p.as.GID))
	}
	if err == nil {
		err = at.root.Rename(temp, at.rel)
	}
	if err != nil {
		at.root.Remove(temp)
		return fail(err)
	}
	p.changed("linked", at)
	return nil
}
