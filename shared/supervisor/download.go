package supervisor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"core.internal/shared/spec"
)

const (
	// attempts is how often a download is tried in one start.
	attempts = 3
	// stall is how long a server may take to begin to answer.
	stall = 30 * time.Second
	// fetching is how long one attempt may take.
	fetching = 30 * time.Minute
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
	pause := cmp.Or(p.RetryPause, time.Second)
	for n := 1; ; n++ {
		err := p.replace(at, mode, func(w io.Writer) error { return p.fetch(ctx, w, e) }, "downloaded")
		var passing *passingError
		if err == nil || !errors.As(err, &passing) {
			return err
		}
		if n == attempts {
			return &passingError{fmt.Errorf("%w, %d times", passing.error, attempts)}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause *= 2
	}
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

// fetch is one attempt.
func (p *preparer) fetch(ctx context.Context, w io.Writer, e spec.Ensure) error {
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	answer := time.AfterFunc(stall, cancel)
	defer answer.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return err
	}
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	r, err := client.Do(request)
	if err != nil {
		return &passingError{err}
	}
	defer r.Body.Close()
	answer.Stop()
	limit := int64(e.MaxSize)
	switch {
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return &passingError{fmt.Errorf("GET %s: status %s", e.URL, r.Status)}
	case r.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: status %s: correct the URL", e.URL, r.Status)
	case r.ContentLength > limit:
		return fmt.Errorf("GET %s: it has %d bytes, more than maxSize, %s: raise that", e.URL, r.ContentLength, e.MaxSize)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r.Body, limit+1))
	switch sum := hex.EncodeToString(h.Sum(nil)); {
	case err != nil:
		return &passingError{fmt.Errorf("GET %s: after %d bytes: %w", e.URL, n, err)}
	case n > limit:
		return fmt.Errorf("GET %s: it has more bytes than maxSize, %s: raise that", e.URL, e.MaxSize)
	case sum != e.SHA256:
		return fmt.Errorf("GET %s: its sha256 is %s: want %s: if it may have changed, correct process.ensure's sha256", e.URL, sum, e.SHA256)
	}
	return nil
}
