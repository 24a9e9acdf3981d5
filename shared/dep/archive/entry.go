package archive

import (
	"archive/tar"
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// kind is what an entry is.
type kind int

const (
	isFile kind = iota + 1
	isDir
	isLink
)

// entry unpacks one entry of a tar file.
func (u *Unpacker) entry(ctx context.Context, h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // a comment
	}
	name, err := u.clean(h.Name)
	if err != nil {
		return err
	}
	if u.layer {
		if done, err := u.whiteout(name); done || err != nil {
			return err
		}
	}
	mode := fs.FileMode(h.Mode) & fs.ModePerm
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dir(name)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.regular(ctx, name, mode, r)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	case tar.TypeLink:
		target, err := u.clean(h.Linkname)
		if err != nil {
			return err
		}
		return u.hardlink(name, target)
	}
	return &Error{Entry: h.Name, Reason: "it is a device, a FIFO or something else that is no file"}
}

// zip unpacks a zip file.
func (u *Unpacker) zip(ctx context.Context, r *io.SectionReader) error {
	z, err := zip.NewReader(r, r.Size())
	if err != nil {
		return damaged(Zip, err)
	}
	for _, f := range z.File {
		if err := u.zipped(ctx, f); err != nil {
			return damaged(Zip, err)
		}
	}
	return nil
}

func (u *Unpacker) zipped(ctx context.Context, f *zip.File) error {
	name, err := u.clean(f.Name)
	if err != nil {
		return err
	}
	mode := f.Mode()
	if strings.HasSuffix(f.Name, "/") || mode.IsDir() {
		return u.dir(name)
	}
	if !mode.IsRegular() && mode.Type() != fs.ModeSymlink {
		return &Error{Entry: f.Name, Reason: "it is a device, a FIFO or something else that is no file"}
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	r := &metered{r: &stops{ctx, content}, u: u}
	if mode.IsRegular() {
		return u.regular(ctx, name, mode.Perm(), r)
	}
	target, err := io.ReadAll(io.LimitReader(r, maxName+1))
	if err != nil {
		return err
	}
	return u.symlink(name, string(target))
}

// clean checks a name and returns it as a path below the root.
func (u *Unpacker) clean(name string) (string, error) {
	shown := name
	if len(name) > 128 {
		shown = strings.ToValidUTF8(name[:128], "") + "…"
	}
	refuse := func(reason string) (string, error) { return "", &Error{Entry: shown, Reason: reason} }
	tooLong := func() (string, error) {
		return "", &Error{Entry: shown, Reason: "the name is too long", TooLong: true}
	}
	if u.count++; u.count > u.Limits.Files {
		return "", &Error{Reason: fmt.Sprintf("it has more than %d files", u.Limits.Files)}
	}
	switch {
	case len(name) > maxName:
		return tooLong()
	case strings.HasPrefix(name, "/"):
		return refuse("the name is absolute")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return refuse("the name has a backslash or a control character")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return refuse("the name leads out of the archive")
		case len(part) > maxPart:
			return tooLong()
		}
	}
	clean := path.Clean(name)
	if !filepath.IsLocal(filepath.FromSlash(clean)) { // "" is not local either
		return refuse("the name is no path below the archive")
	}
	if strings.Count(clean, "/") >= maxDepth {
		return refuse(fmt.Sprintf("it lies deeper than %d directories", maxDepth))
	}
	return clean, nil
}

// claim takes a name for an entry and makes the directories above it. A directory
// may come again, and in a later layer everything may.
func (u *Unpacker) claim(name string, k kind) error {
	refuse := func(format string, args ...any) error {
		return &Error{Entry: name, Reason: fmt.Sprintf(format, args...)}
	}
	if name == "." {
		if k != isDir {
			return refuse("it is the directory itself")
		}
		return nil
	}
	if before, twice := u.kinds[name]; twice && (before != isDir || k != isDir) {
		return refuse("it is there twice")
	}
	for dir := name; dir != "."; dir = path.Dir(dir) {
		if f, ok := u.files[dir]; ok && f.Link != "" && dir != name {
			return refuse("it passes through the link %q", dir)
		}
		fold := strings.ToLower(dir)
		other, taken := u.folds[fold]
		if taken && other != dir && (u.FoldCase || u.kinds[other] == isLink || k == isLink && dir == name) {
			return refuse("only its case differs from that of %q", other)
		}
		if !taken {
			u.folds[fold] = dir
		}
	}
	u.kinds[name] = k
	if _, err := u.Root.Lstat(filepath.FromSlash(name)); err == nil {
		if _, file := u.files[name]; k != isDir || file {
			if !u.layer {
				return refuse("it is a directory and a file")
			}
			if err := u.remove(name); err != nil {
				return err
			}
		}
	}
	return u.parents(name)
}

// parents makes the directories above a name.
func (u *Unpacker) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	for part := dir; part != "."; part = path.Dir(part) {
		if _, ok := u.files[part]; ok {
			return &Error{Entry: name, Reason: fmt.Sprintf("the file %q is in its way", part)}
		}
	}
	return u.Root.MkdirAll(filepath.FromSlash(dir), 0o755)
}

func (u *Unpacker) dir(name string) error {
	if err := u.claim(name, isDir); err != nil || name == "." {
		return err
	}
	return u.Root.MkdirAll(filepath.FromSlash(name), 0o755)
}

// regular writes one file. What others may write to, only its owner may.
func (u *Unpacker) regular(ctx context.Context, name string, mode fs.FileMode, r io.Reader) error {
	if err := u.claim(name, isFile); err != nil {
		return err
	}
	mode = mode&^0o022 | 0o600
	f, err := u.Root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), &stops{ctx, r})
	if err == nil {
		err = f.Chmod(mode) // whatever the umask
	}
	if err = errors.Join(err, f.Close()); err != nil {
		var refused *Error
		if errors.As(err, &refused) && refused.Entry == "" {
			refused.Entry = name
		}
		return err
	}
	u.files[name] = File{Mode: uint32(mode), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}
	return nil
}

// symlink makes a link that stays below the root. Its text may go up first, and
// then only down: what goes up after that could go up from where another link
// leads.
func (u *Unpacker) symlink(name, target string) error {
	refuse := func(reason string) error {
		return &Error{Entry: name, Reason: fmt.Sprintf("the link to %q %s", target, reason)}
	}
	text := target
	if u.layer && strings.HasPrefix(text, "/") {
		// It means the root of the image.
		up := strings.Repeat("../", strings.Count(name, "/"))
		text = up + strings.TrimPrefix(path.Clean(text), "/")
		if text == "" {
			text = "."
		}
	}
	switch {
	case text == "", len(text) > maxName, strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return &Error{Entry: name, Reason: "the link says no path"}
	case strings.HasPrefix(text, "/"):
		return refuse("is absolute")
	}
	depth, down := strings.Count(name, "/"), false
	for part := range strings.SplitSeq(text, "/") {
		switch {
		case part == "." || part == "":
		case part != "..":
			down = true
		case down:
			return refuse("goes up again after it went down")
		default:
			depth--
		}
	}
	if depth < 0 {
		return refuse("leads out of the archive")
	}
	if err := u.claim(name, isLink); err != nil {
		return err
	}
	if err := u.Root.Symlink(filepath.FromSlash(text), filepath.FromSlash(name)); err != nil {
		return err
	}
	u.files[name] = File{Link: text}
	return nil
}

// hardlink makes a second name for a file of the archive.
func (u *Unpacker) hardlink(name, target string) error {
	f, ok := u.files[target]
	if !ok || f.Link != "" {
		return &Error{Entry: name, Reason: fmt.Sprintf("it is a link to %q, which is no file before it in the archive", target)}
	}
	if name == target {
		return &Error{Entry: name, Reason: "it is a link to itself"}
	}
	if err := u.claim(name, isFile); err != nil {
		return err
	}
	if err := u.Root.Link(filepath.FromSlash(target), filepath.FromSlash(name)); err != nil {
		return err
	}
	u.files[name] = f
	return nil
}

const (
	whiteoutPrefix = ".wh."
	opaque         = ".wh..wh..opq"
)

// whiteout does what an entry of a layer says about those before it.
func (u *Unpacker) whiteout(name string) (done bool, err error) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == opaque:
		for file := range u.files {
			if _, own := u.kinds[file]; !own && (dir == "" || strings.HasPrefix(file, dir+"/")) {
				if err := u.remove(file); err != nil {
					return true, err
				}
			}
		}
		return true, nil
	case strings.HasPrefix(base, whiteoutPrefix):
		hidden, err := u.clean(path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)))
		if err != nil {
			return true, err
		}
		if hidden == "." {
			return true, &Error{Entry: name, Reason: "it removes nothing that has a name"}
		}
		return true, u.remove(hidden)
	}
	return false, nil
}

// remove removes what an earlier layer has of a name, and below it.
func (u *Unpacker) remove(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if f, ok := u.files[dir]; ok && f.Link != "" {
			return &Error{Entry: name, Reason: fmt.Sprintf("it passes through the link %q", dir)}
		}
	}
	if err := u.Root.RemoveAll(filepath.FromSlash(name)); err != nil {
		return err
	}
	delete(u.files, name)
	for file := range u.files {
		if strings.HasPrefix(file, name+"/") {
			delete(u.files, file)
		}
	}
	return nil
}
