package dep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

// maxDownload bounds what is downloaded before its size is locked.
const maxDownload = 8 << 30

// release is what GitHub says of a release.
type release struct {
	TagName string         `json:"tag_name"`
	Assets  []releaseAsset `json:"assets"`
}

type releaseAsset struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	BrowserURL  string `json:"browser_download_url"`
	Size        int64  `json:"size"`
	Digest      string `json:"digest"` // "sha256:…"; absent for older ones
	ContentType string `json:"content_type"`
}

func decodeRelease(b []byte) (release, error) {
	var r release
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read the release: %w", err)
	}
	for _, a := range r.Assets {
		if a.Size < 0 || a.Size > maxDownload {
			return r, fmt.Errorf("read the release: asset %q has %d bytes", a.Name, a.Size)
		}
	}
	return r, nil
}

// findAsset asks GitHub for the release's asset.
func (s Store) findAsset(ctx context.Context, c *fetch.Client, p pinned) (releaseAsset, error) {
	fail := func(err error, fix string) (releaseAsset, error) {
		return releaseAsset{}, &Error{p.Name, p.Source, err, fix}
	}
	name := p.expand(p.Asset)
	var tried []string
	for _, template := range p.tags() {
		tag := p.expand(template)
		tried = append(tried, tag)
		at := fmt.Sprintf("%s/repos/%s/releases/tags/%s", s.api(), p.repo(), url.PathEscape(tag))
		b, _, err := c.Bytes(ctx, fetch.Get{URL: at, Max: 16 << 20, Header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}})
		var refused *fetch.Error
		switch {
		case fetch.Status(err) == http.StatusNotFound:
			continue
		case errors.As(err, &refused) && refused.Header.Get("X-RateLimit-Remaining") == "0":
			return fail(err, "GitHub's limit for anonymous requests is used up: set "+TokenVariable+", or try again in an hour")
		case err != nil:
			return releaseAsset{}, err
		}
		r, err := decodeRelease(b)
		if err != nil {
			return fail(err, "check the setting dep.github")
		}
		var names []string
		for _, a := range r.Assets {
			if a.Name == name {
				return a, nil
			}
			names = append(names, a.Name)
		}
		slices.Sort(names)
		return fail(fmt.Errorf("release %s of %s has no asset %q for %s; it has %s", tag, p.repo(), name, p.platform, some(names)), "correct field dep.asset")
	}
	return fail(fmt.Errorf("%s has no release with the tag %s", p.repo(), strings.Join(tried, " or ")), "correct field dep.version, dep.tag or dep.repo; if it is not public, set "+TokenVariable)
}

// fetchAsset downloads what is locked.
func (s Store) fetchAsset(ctx context.Context, p pinned, file string, tell func(Progress)) error {
	c := s.client()
	defer c.Close()
	d := fetch.Download{URL: p.asset.URL, Size: p.asset.Size, SHA256: p.asset.SHA256}
	if p.Source == spec.SourceGitHubRelease && s.Token != "" && !s.Offline {
		// What is not public, the API alone hands out.
		a, err := s.findAsset(ctx, c, p)
		if err != nil {
			return err
		}
		d.URL, d.Header = a.URL, http.Header{"Accept": {"application/octet-stream"}}
	}
	_, err := c.Download(ctx, d, file, downloading(tell))
	return err
}

func downloading(tell func(Progress)) func(done, total int64) {
	return func(done, total int64) {
		tell(Progress{Phase: PhaseDownloading, Bytes: done, BytesTotal: total})
	}
}

// resolveRelease finds out what to lock of a release.
func (s Store) resolveRelease(ctx context.Context, p pinned, tell func(Progress)) (lock.Asset, error) {
	c := s.client()
	defer c.Close()
	a, err := s.findAsset(ctx, c, p)
	if err != nil {
		return lock.Asset{}, err
	}
	d := fetch.Download{URL: a.BrowserURL, Size: a.Size, Max: maxDownload}
	if s.Token != "" {
		d.URL, d.Header = a.URL, http.Header{"Accept": {"application/octet-stream"}}
	}
	sum, err := s.measure(ctx, c, d, tell)
	if err != nil {
		return lock.Asset{}, err
	}
	if digest, ok := strings.CutPrefix(a.Digest, "sha256:"); ok && digest != sum.SHA256 {
		return lock.Asset{}, &Error{p.Name, p.Source, fmt.Errorf("asset %q: its sha256 is %s, and GitHub says %s", a.Name, sum.SHA256, digest), "do not use it; try again later or through no mirror"}
	}
	return lock.Asset{URL: a.BrowserURL, Size: sum.Size, SHA256: sum.SHA256}, nil
}

// resolveURL finds out what to lock of a URL.
func (s Store) resolveURL(ctx context.Context, p pinned, tell func(Progress)) (lock.Asset, error) {
	c := s.client()
	defer c.Close()
	at := p.expand(p.URL)
	sum, err := s.measure(ctx, c, fetch.Download{URL: at, Size: -1, Max: maxDownload}, tell)
	if err != nil {
		return lock.Asset{}, err
	}
	return lock.Asset{URL: at, Size: sum.Size, SHA256: sum.SHA256}, nil
}

// urlBase is the last element of a URL's path.
func urlBase(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return path.Base(u.Path)
}
