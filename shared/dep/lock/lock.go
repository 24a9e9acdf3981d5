package lock

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/renameio/v2"
)

// Version is the version of the file.
const Version = 1

// Name is the file's name.
const Name = "core.lock.json"

const (
	maxBytes = 16 << 20
	maxSize  = 1 << 40 // of an asset
)

// File is a lock file.
type File struct {
	Version int            `json:"version"`
	Deps    map[string]Dep `json:"deps"` // by id
}

// Dep is what is locked of one dependency.
type Dep struct {
	// Origin is what the spec says of the source when it was locked.
	Origin    string           `json:"origin"`
	Platforms map[string]Asset `json:"platforms"` // by "os/arch"
}

// Asset is what is installed on one platform. It is either a download, which has
// a size and a SHA256, or a Go module, which has a Module and a Sum.
type Asset struct {
	// URL is where it is downloaded from; empty for a file and for a module.
	URL    string `json:"url,omitempty"`
	Size   int64  `json:"size,omitempty"`   // bytes
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	// Digest is that of an image's manifest, as in "sha256:…". Size and SHA256
	// are the manifest's then; its layers are named by it.
	Digest string `json:"digest,omitempty"`
	Module string `json:"module,omitempty"` // as in "example.org/tool@v1.2.3"
	Sum    string `json:"sum,omitempty"`    // of the module, as in go.sum: "h1:…"
}

// lazy compiles a pattern when it is first needed: most programs that link this
// package never read a lock.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

var (
	idForm       = lazy(`^[^\x00-\x1f\x7f]{1,512}$`)
	platformForm = lazy(`^[a-z0-9]{1,32}/[a-z0-9]{1,32}$`)
	sumForm      = lazy(`^h1:[A-Za-z0-9+/]{43}=$`)
	moduleForm   = lazy(`^[a-zA-Z0-9._~/-]+@v[a-zA-Z0-9.+-]+$`)
)

// ValidPlatform reports whether a text is "os/arch".
func ValidPlatform(text string) bool { return platformForm().MatchString(text) }

// Decode reads a lock file.
func Decode(b []byte) (File, error) {
	if len(b) > maxBytes {
		return File{}, fmt.Errorf("it has %d bytes: want at most %d", len(b), maxBytes)
	}
	var f File
	if err := json.Unmarshal(b, &f, json.RejectUnknownMembers(true)); err != nil {
		return File{}, err
	}
	if f.Version != Version {
		return File{}, fmt.Errorf("version %d: want %d: use a launcher that knows it", f.Version, Version)
	}
	if f.Deps == nil {
		f.Deps = map[string]Dep{}
	}
	for id, d := range f.Deps {
		if !idForm().MatchString(id) {
			return File{}, fmt.Errorf("deps: %q is no id", id)
		}
		if !idForm().MatchString(d.Origin) {
			return File{}, fmt.Errorf("deps[%q].origin: found %q", id, d.Origin)
		}
		if len(d.Platforms) == 0 {
			return File{}, fmt.Errorf("deps[%q].platforms: missing: want one or more", id)
		}
		for platform, a := range d.Platforms {
			if !ValidPlatform(platform) {
				return File{}, fmt.Errorf("deps[%q].platforms: found %q: want one as in \"linux/amd64\"", id, platform)
			}
			if err := a.check(); err != nil {
				return File{}, fmt.Errorf("deps[%q].platforms[%q].%w", id, platform, err)
			}
		}
	}
	return f, nil
}

// check returns what is wrong, beginning with the member.
func (a Asset) check() error {
	if a.Module != "" || a.Sum != "" {
		switch {
		case !moduleForm().MatchString(a.Module):
			return fmt.Errorf("module: found %q: want one as in \"example.org/tool@v1.2.3\"", a.Module)
		case !sumForm().MatchString(a.Sum):
			return fmt.Errorf("sum: found %q: want one as in go.sum, \"h1:…\"", a.Sum)
		case a.URL != "" || a.Size != 0 || a.SHA256 != "" || a.Digest != "":
			return errors.New("module: an asset is a module or a download, not both")
		}
		return nil
	}
	if sum, err := hex.DecodeString(a.SHA256); err != nil || len(sum) != 32 || strings.ToLower(a.SHA256) != a.SHA256 {
		return fmt.Errorf("sha256: found %q: want 64 hexadecimal digits", a.SHA256)
	}
	if a.Size < 0 || a.Size > maxSize {
		return fmt.Errorf("size: found %d: want a number of bytes", a.Size)
	}
	if a.Digest != "" && a.Digest != "sha256:"+a.SHA256 {
		return fmt.Errorf("digest: found %q: want that of sha256", a.Digest)
	}
	if a.URL == "" {
		if a.Digest != "" {
			return errors.New("url: missing: want that of the manifest")
		}
		return nil
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("url: want an http or https URL")
	}
	if u.User != nil {
		return errors.New("url: it has a user or a password")
	}
	return nil
}

// Encode returns the bytes of a file, sorted.
func Encode(f File) ([]byte, error) {
	f.Version = Version
	if f.Deps == nil {
		f.Deps = map[string]Dep{}
	}
	b, err := json.Marshal(f, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("encode the lock file: %w", err)
	}
	return append(b, '\n'), nil
}

// Read reads a file. One that is not there is empty.
func Read(path string) (File, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return File{Version: Version, Deps: map[string]Dep{}}, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("read the lock file: %w", err)
	}
	f, err := Decode(b)
	if err != nil {
		return File{}, fmt.Errorf("lock file %s: %w", path, err)
	}
	return f, nil
}

// Write replaces a file at once, if it changes.
func Write(path string, f File) error {
	b, err := Encode(f)
	if err != nil {
		return err
	}
	if before, err := os.ReadFile(path); err == nil && string(before) == string(b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	if err := renameio.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("write the lock file: %w: make its directory writable", err)
	}
	return nil
}

// Find returns what is locked for a platform, if it was locked for the same
// origin.
func (f File) Find(id, origin, platform string) (Asset, bool) {
	d, ok := f.Deps[id]
	if !ok || d.Origin != origin {
		return Asset{}, false
	}
	a, ok := d.Platforms[platform]
	return a, ok
}

// Set locks a dependency for a platform. What was locked for another origin is
// dropped.
func (f *File) Set(id, origin, platform string, a Asset) {
	if f.Deps == nil {
		f.Deps = map[string]Dep{}
	}
	d, ok := f.Deps[id]
	if !ok || d.Origin != origin {
		d = Dep{Origin: origin, Platforms: map[string]Asset{}}
	}
	d.Platforms[platform] = a
	f.Deps[id] = d
}
