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

	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
)

// download gets a file, unless one with that digest is there. What does not have
// the digest never comes to be at the target.
func (p *preparer) download(ctx context.Context, at place, e spec.Ensure) error {
	mode := e.Mode.Perm(0o600)
	info, err := at.root.Lstat(at.rel)
	switch {
	case err == nil && info.IsDir():
		return &targetError{fmt.Errorf("%s is a directory: move it away, or choose another target", at.path)}
	case err == nil && info.Mode().IsRegular() && digestOf(at) == e.SHA256:
		return p.settle(at, info, mode)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return &targetError{fmt.Errorf("look at %s: %w", at.path, plain(err))}
	}
	return p.fetched(ctx, e, func(from *os.File) error {
		return p.replace(at, mode, func(w io.Writer) error {
			_, err := io.Copy(w, from)
			return err
		}, "downloaded")
	})
}

// fetched hands over what is downloaded and has the digest. Another user's directory is
// no place to write by a path, so it is in one of the node's meanwhile. A service is
// prepared once at a time.
func (p *preparer) fetched(ctx context.Context, e spec.Ensure, use func(*os.File) error) error {
	dir := p.Layout.Downloads()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a place to download to: %w", err)
	}
	file := filepath.Join(dir, string(p.spec.ID))
	defer os.Remove(file)
	defer os.Remove(file + ".etag")
	if err := p.fetch(ctx, file, e); err != nil {
		return err
	}
	from, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read what was downloaded: %w", err)
	}
	defer from.Close()
	return use(from)
}

func digestOf(at place) string {
	f, err := at.root.OpenFile(at.rel, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fetch downloads and verifies.
func (p *preparer) fetch(ctx context.Context, file string, e spec.Ensure) error {
	client := p.Client
	if client == nil {
		client = fetch.New(fetch.Options{})
		defer client.Close()
	}
	_, err := client.Download(ctx, fetch.Download{URL: e.URL, Size: -1, SHA256: e.SHA256, Max: int64(e.MaxSize)}, file, nil)
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, fetch.ErrOffline):
		return err
	case fetch.Temporary(err):
		return &passingError{err}
	case errors.Is(err, fetch.ErrMismatch):
		return fmt.Errorf("%w: if it may have changed, correct process.ensure's sha256", err)
	case fetch.Status(err) != 0:
		return fmt.Errorf("%w: correct the URL", err)
	}
	return fmt.Errorf("%w: correct the URL, or raise maxSize, %s", err, e.MaxSize)
}
