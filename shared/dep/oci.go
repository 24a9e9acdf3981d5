package dep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"core.internal/shared/dep/archive"
	"core.internal/shared/dep/fetch"
	"core.internal/shared/dep/lock"
)

// Media types of manifests, and of the list that has one for each platform.
const (
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

	titleAnnotation = "org.opencontainers.image.title"
)

const maxManifest = 4 << 20

// descriptor names content by its digest.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// manifest is that of an image or artifact, or a list of those.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// decodeManifest reads a manifest. Every digest in it is one of sha256.
func decodeManifest(b []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return m, err
	}
	if m.SchemaVersion != 2 {
		return m, fmt.Errorf("schema version %d: want 2", m.SchemaVersion)
	}
	var total int64
	all := append(append([]descriptor{}, m.Layers...), m.Manifests...)
	if len(m.Layers) > 0 {
		all = append(all, m.Config)
	}
	for _, d := range all {
		if !digestForm.MatchString(d.Digest) || d.Size < 0 || d.Size > maxDownload {
			return m, fmt.Errorf("digest %q of %d bytes: want sha256", d.Digest, d.Size)
		}
		if total += d.Size; total > maxDownload {
			return m, fmt.Errorf("it has more than %d bytes", int64(maxDownload))
		}
	}
	return m, nil
}

// registry is one repository of a registry, with the token that it gave.
type registry struct {
	*fetch.Client
	base       string // of the API, as in "https://ghcr.io/v2"
	repository string
	token      string
}

// registry finds the registry of a want.
func (p pinned) registry(c *fetch.Client) *registry {
	host, repository, _ := strings.Cut(p.expand(p.Asset), "/")
	scheme := "https"
	if name, _, err := net.SplitHostPort(host); err == nil && loopback(name) || loopback(host) {
		scheme = "http"
	}
	if host == "docker.io" {
		host = "registry-1.docker.io"
		if !strings.Contains(repository, "/") {
			repository = "library/" + repository
		}
	}
	return &registry{Client: c, base: scheme + "://" + host + "/v2", repository: repository}
}

func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (r *registry) url(kind, reference string) string {
	return fmt.Sprintf("%s/%s/%s/%s", r.base, r.repository, kind, reference)
}

func (r *registry) header(accept ...string) http.Header {
	h := http.Header{}
	if len(accept) > 0 {
		h.Set("Accept", strings.Join(accept, ", "))
	}
	if r.token != "" {
		h.Set("Authorization", "Bearer "+r.token)
	}
	return h
}

// with asks, and asks once more with a new token where the registry wants one: it
// had none, or the one it had has expired.
func (r *registry) with(ctx context.Context, ask func() error) error {
	err := ask()
	var refused *fetch.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return err
	}
	if err := r.login(ctx, refused.Header.Get("WWW-Authenticate")); err != nil {
		return err
	}
	return ask()
}

// login gets the token with which anybody may pull.
func (r *registry) login(ctx context.Context, challenge string) error {
	scheme, rest, _ := strings.Cut(challenge, " ")
	values := parseChallenge(rest)
	realm, err := url.Parse(values["realm"])
	if !strings.EqualFold(scheme, "Bearer") || err != nil || realm.Host == "" {
		return fmt.Errorf("the registry asks for a login that is not known: %q", challenge)
	}
	if realm.Scheme != "https" && !(realm.Scheme == "http" && loopback(realm.Hostname()) && strings.HasPrefix(r.base, "http:")) {
		return fmt.Errorf("the registry asks for a login over %s", realm.Scheme)
	}
	q := realm.Query()
	if values["service"] != "" {
		q.Set("service", values["service"])
	}
	q.Set("scope", "repository:"+r.repository+":pull")
	realm.RawQuery = q.Encode()
	b, _, err := r.Bytes(ctx, fetch.Get{URL: realm.String()})
	if err != nil {
		return err
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return fmt.Errorf("read the registry's token: %w", err)
	}
	if r.token = answer.Token; r.token == "" {
		r.token = answer.AccessToken
	}
	if r.token == "" || strings.ContainsAny(r.token, "\r\n") {
		return errors.New("the registry gave no token")
	}
	return nil
}

var challengeForm = regexp.MustCompile(`([a-zA-Z_]+)="([^"]*)"`)

// parseChallenge reads the parameters of a WWW-Authenticate header.
func parseChallenge(text string) map[string]string {
	values := map[string]string{}
	for _, m := range challengeForm.FindAllStringSubmatch(text, -1) {
		values[strings.ToLower(m[1])] = m[2]
	}
	return values
}

// manifest gets a manifest by its tag or digest; by a digest, it has that.
func (r *registry) manifest(ctx context.Context, reference string) (m manifest, b []byte, err error) {
	at := r.url("manifests", reference)
	err = r.with(ctx, func() error {
		b, _, err = r.Bytes(ctx, fetch.Get{URL: at, Max: maxManifest, Header: r.header(ociIndex, ociManifest, dockerList, dockerManifest)})
		return err
	})
	if err != nil {
		return m, nil, err
	}
	if digest := "sha256:" + hashBytes(b); digestForm.MatchString(reference) && digest != reference {
		return m, nil, fmt.Errorf("manifest %s: %w: its digest is %s", reference, fetch.ErrMismatch, digest)
	}
	if m, err = decodeManifest(b); err != nil {
		return m, nil, fmt.Errorf("manifest %s of %s: %w", reference, r.repository, err)
	}
	return m, b, nil
}

// resolveImage finds the manifest for the platform behind a tag.
func (s Store) resolveImage(ctx context.Context, p pinned) (lock.Asset, error) {
	c := s.client()
	defer c.Close()
	r := p.registry(c)
	m, b, err := r.manifest(ctx, p.Version)
	if err != nil {
		return lock.Asset{}, err
	}
	fail := func(err error, fix string) (lock.Asset, error) {
		return lock.Asset{}, &Error{p.Name, p.Source, err, fix}
	}
	if len(m.Manifests) > 0 {
		var have []string
		digest := ""
		for _, d := range m.Manifests {
			if d.Platform == nil {
				continue
			}
			platform := d.Platform.OS + "/" + d.Platform.Architecture
			if have = append(have, platform); platform == p.platform && digest == "" {
				digest = d.Digest
			}
		}
		if digest == "" {
			return fail(fmt.Errorf("%s:%s has no image for %s; it has %s", p.expand(p.Asset), p.Version, p.platform, some(have)), "correct field dep.version or dep.asset")
		}
		if m, b, err = r.manifest(ctx, digest); err != nil {
			return lock.Asset{}, err
		}
	}
	if len(m.Layers) == 0 {
		return fail(fmt.Errorf("%s:%s has no layers", p.expand(p.Asset), p.Version), "correct field dep.version or dep.asset")
	}
	sum := hashBytes(b)
	return lock.Asset{URL: r.url("manifests", "sha256:"+sum), Size: int64(len(b)), SHA256: sum, Digest: "sha256:" + sum}, nil
}

// pull unpacks the layers of the locked manifest, each verified before.
func (s Store) pull(ctx context.Context, p pinned, u *archive.Unpacker, tell func(Progress)) error {
	c := s.client()
	defer c.Close()
	r := p.registry(c)
	m, _, err := r.manifest(ctx, p.asset.Digest)
	if err != nil {
		return err
	}
	var total, before int64
	for _, d := range m.Layers {
		total += d.Size
	}
	u.Limits.Packed = total
	for _, d := range m.Layers {
		if err := s.layer(ctx, r, d, u, func(done, _ int64) {
			tell(Progress{Phase: PhaseDownloading, Bytes: before + done, BytesTotal: total})
		}); err != nil {
			return err
		}
		before += d.Size
	}
	if len(u.Files()) == 0 {
		return &archive.Error{Reason: "it has no files"}
	}
	return nil
}

// layer downloads, verifies and unpacks one layer.
func (s Store) layer(ctx context.Context, r *registry, d descriptor, u *archive.Unpacker, progress func(done, total int64)) error {
	file := s.in(partialDir, strings.TrimPrefix(d.Digest, "sha256:"))
	unlock, err := s.hold(ctx, "layer-"+strings.TrimPrefix(d.Digest, "sha256:"), func(Progress) {})
	if err != nil {
		return err
	}
	defer unlock()
	err = r.with(ctx, func() error {
		_, err := r.Download(ctx, fetch.Download{
			URL: r.url("blobs", d.Digest), Header: r.header(), Size: d.Size, SHA256: strings.TrimPrefix(d.Digest, "sha256:"),
		}, file, progress)
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(file)
	title := d.Annotations[titleAnnotation]
	switch format, packed := layerFormat(d.MediaType, title); {
	case packed:
		err = u.Layer(ctx, f, format)
	case title != "":
		err = u.Single(ctx, f, title)
	default:
		return &archive.Error{Reason: fmt.Sprintf("layer %s has the type %q and no title", d.Digest, d.MediaType)}
	}
	if err != nil {
		return fmt.Errorf("unpack layer %s: %w", d.Digest, err)
	}
	return nil
}

// layerFormat tells how a layer is packed by its media type, or, for an artifact,
// by its title.
func layerFormat(mediaType, title string) (archive.Format, bool) {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch {
	case strings.HasSuffix(mediaType, ".tar.gzip"), strings.HasSuffix(mediaType, "tar+gzip"), strings.HasSuffix(title, ".tar.gz"), strings.HasSuffix(title, ".tgz"):
		return archive.TarGz, true
	case strings.HasSuffix(mediaType, "tar+zstd"), strings.HasSuffix(title, ".tar.zst"):
		return archive.TarZst, true
	case strings.HasSuffix(mediaType, ".tar"), strings.HasSuffix(title, ".tar"):
		return archive.Tar, true
	}
	return archive.Plain, false
}
