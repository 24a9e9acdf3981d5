package dep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/dep/lock"
)

// measure downloads what is not locked yet. It stays where an install will look for
// it.
func (s Store) measure(ctx context.Context, c *fetch.Client, d fetch.Download, tell func(Progress)) (fetch.Sum, error) {
	name := sha256.Sum256([]byte(d.URL))
	file := s.in(partialDir, "url-"+hex.EncodeToString(name[:]))
	unlock, err := s.hold(ctx, filepath.Base(file), tell)
	if err != nil {
		return fetch.Sum{}, err
	}
	defer unlock()
	sum, err := c.Download(ctx, d, file, downloading(tell))
	if err != nil {
		return fetch.Sum{}, err
	}
	return sum, os.Rename(file, s.in(partialDir, sum.SHA256))
}

// openFile opens the file that a want names.
func (p pinned) openFile() (*os.File, error) {
	at := filepath.FromSlash(p.expand(p.Asset))
	if filepath.IsAbs(at) {
		return os.Open(at)
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(at)
}

const fileFix = "put the file there, or correct field dep.asset"

// copyFile copies a file that is what is locked.
func (s Store) copyFile(ctx context.Context, p pinned, file string) error {
	sum, err := p.copyTo(ctx, file, p.asset.Size)
	if err != nil {
		return err
	}
	if sum.SHA256 != p.asset.SHA256 || sum.Size != p.asset.Size {
		os.Remove(file)
		return fmt.Errorf("%s: %w: its sha256 is %s: want %s", p.expand(p.Asset), fetch.ErrMismatch, sum.SHA256, p.asset.SHA256)
	}
	return nil
}

// copyTo copies a want's file and says what it is; it stops where it has more than
// most bytes.
func (p pinned) copyTo(ctx context.Context, to string, most int64) (fetch.Sum, error) {
	in, err := p.openFile()
	if err != nil {
		return fetch.Sum{}, &Error{p.Name, p.Source, err, fileFix}
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return fetch.Sum{}, &Error{p.Name, p.Source, fmt.Errorf("%s is no file", in.Name()), fileFix}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fetch.Sum{}, err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(in, most+1))
	if err != nil {
		return fetch.Sum{}, err
	}
	if err := ctx.Err(); err != nil {
		return fetch.Sum{}, context.Cause(ctx)
	}
	return fetch.Sum{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, out.Close()
}

// resolveFile finds out what to lock of a file.
func (s Store) resolveFile(ctx context.Context, p pinned) (lock.Asset, error) {
	tmp := s.in(partialDir, "file-"+p.Name)
	unlock, err := s.hold(ctx, filepath.Base(tmp), func(Progress) {})
	if err != nil {
		return lock.Asset{}, err
	}
	defer unlock()
	defer os.Remove(tmp)
	sum, err := p.copyTo(ctx, tmp, maxDownload)
	if err != nil {
		return lock.Asset{}, err
	}
	return lock.Asset{Size: sum.Size, SHA256: sum.SHA256}, nil
}
