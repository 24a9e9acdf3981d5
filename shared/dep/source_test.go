package dep

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

func TestFileSource(t *testing.T) {
	s := newStore(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"vendor/tool-1": script("from a file"), "secret": script("no")})
	specs := filepath.Join(dir, "vendor")
	w := Want{Dir: specs, Dep: spec.Dep{Name: "tool", Version: "1", Source: spec.SourceFile, Asset: "tool-{version}"}}
	s.Offline = true // files need no network
	mustLock(t, s, w)
	says(t, mustInstall(t, s, w)["tool"], "from a file")
	w.Asset = filepath.Join(specs, "tool-1")
	mustLock(t, s, w)
	says(t, mustInstall(t, s, w)["tool"], "from a file")

	os.RemoveAll(s.in())
	write(t, dir, map[string]string{"vendor/tool-1": script("changed")})
	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "it is not what was expected: its sha256 is ", "run `launcher dep lock --update tool`")
	for asset, want := range map[string]string{"none": "no such file or directory: put the file there, or correct field dep.asset", "../secret": "path escapes", ".": "is no file"} {
		w.Asset = asset
		_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
		refuses(t, err, want)
	}
	if err := os.Symlink("../secret", filepath.Join(specs, "link")); err != nil {
		t.Fatal(err)
	}
	w.Asset = "link"
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "escapes")
}

// publish puts a module into a module proxy of files.
func publish(t *testing.T, dir, module, version string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range sorted(files) {
		f, err := z.Create(module + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(files[name]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	at := module + "/@v/"
	write(t, dir, map[string]string{
		at + "list": version + "\n", at + version + ".info": `{"Version":"` + version + `"}`, at + version + ".mod": files["go.mod"], at + version + ".zip": b.String(),
	})
}

// proxy makes a module proxy of files with one module, and the go command use it.
func proxy(t *testing.T, module, version string, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	publish(t, dir, module, version, files)
	cache := t.TempDir()
	t.Cleanup(func() { // the go command makes it read-only
		_ = filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(path, 0o755)
			}
			return nil
		})
	})
	for name, value := range map[string]string{"GOPROXY": "file://" + dir, "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOMODCACHE": cache, "GOFLAGS": "", "GOSUMDB": "off"} {
		t.Setenv(name, value)
	}
	return dir
}

func TestGoInstall(t *testing.T) {
	files := map[string]string{
		"go.mod":            "module example.org/tools\n\ngo 1.24\n",
		"cmd/hello/main.go": "package main\n\nfunc main() { println(\"hello from a module\") }\n",
		"lib/lib.go":        "package lib\n",
	}
	proxy(t, "example.org/tools", "v1.2.3", files)
	s := newStore(t)
	w := Want{Dep: spec.Dep{Name: "hi", Version: "1.2.3", Source: spec.SourceGoInstall, Asset: "example.org/tools/cmd/hello"}}
	l := mustLock(t, s, w)
	if a := l[0].Asset; a.Module != "example.org/tools@v1.2.3" || !strings.HasPrefix(a.Sum, "h1:") || a.URL != "" {
		t.Errorf("locked %+v", a)
	}
	says(t, mustInstall(t, s, w)["hi"], "hello from a module")
	clean(t, s)

	none := w
	none.Name = "none"
	none.Asset = "example.org/tools/cmd/none"
	_, err := s.Lock(t.Context(), []Want{none}, Locking{}, nil)
	refuses(t, err, "module example.org/tools@v1.2.3 has no package example.org/tools/cmd/none: correct field dep.asset or dep.version")
	none.Asset = "example.org/other"
	_, err = s.Lock(t.Context(), []Want{none}, Locking{}, nil)
	refuses(t, err, "dependency none (go-install): no module has the package: ")
	none.Asset = "example.org/tools/lib"
	mustLock(t, s, none)
	_, err = s.Ensure(t.Context(), []Want{none}, nil)
	refuses(t, err, "go install example.org/tools/lib@v1.2.3: ", "correct field dep.asset")

	// The same version with other content is another module.
	os.RemoveAll(s.in())
	files["cmd/hello/main.go"] = "package main\n\nfunc main() { println(\"evil\") }\n"
	proxy(t, "example.org/tools", "v1.2.3", files)
	mustLock(t, s, w)
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "module example.org/tools@v1.2.3 has the sum h1:", "want "+l[0].Asset.Sum+", as locked: do not use it")
}

// A module whose go.mod replaces others is built with those that it requires.
func TestGoInstallReplaces(t *testing.T) {
	dir := proxy(t, "example.org/server", "v1.2.3", map[string]string{
		"go.mod":  "module example.org/server\n\ngo 1.24\n\nrequire example.org/api v1.0.0\n\nreplace example.org/api => ../api\n\nexclude example.org/api v0.1.0\n",
		"main.go": "package main\n\nimport \"example.org/api\"\n\nfunc main() { println(\"hello from \" + api.Name) }\n",
	})
	publish(t, dir, "example.org/api", "v1.0.0", map[string]string{
		"go.mod": "module example.org/api\n\ngo 1.24\n", "api.go": "package api\n\nconst Name = \"the required one\"\n",
	})
	s := newStore(t)
	w := Want{Dep: spec.Dep{Name: "hi", Version: "1.2.3", Source: spec.SourceGoInstall, Asset: "example.org/server"}}
	mustLock(t, s, w)
	says(t, mustInstall(t, s, w)["hi"], "hello from the required one")
	clean(t, s)

	none := w
	none.Asset = "example.org/server/none"
	_, err := s.Lock(t.Context(), []Want{none}, Locking{}, nil)
	refuses(t, err, "module example.org/server@v1.2.3 has no package example.org/server/none")
}

// library is a registry with one repository.
type library struct {
	*httptest.Server
	mu        sync.Mutex
	blobs     map[string][]byte // by digest, manifests too
	tags      map[string]string
	private   bool
	uses      int // how often a token may be used; 0 for ever
	given     int // tokens
	left      int // uses of the last token
	challenge string
	asked     []string
}

func newLibrary(t *testing.T) *library {
	l := &library{blobs: map[string][]byte{}, tags: map[string]string{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked = append(l.asked, r.URL.Path)
		if r.URL.Path == "/token" {
			if r.URL.Query().Get("scope") != "repository:team/tool:pull" || r.URL.Query().Get("service") != "registry" {
				http.Error(w, "wrong scope", http.StatusForbidden)
				return
			}
			l.given++
			l.left = l.uses
			fmt.Fprintf(w, `{"token": "anybody%d"}`, l.given)
			return
		}
		known := l.given > 0 && r.Header.Get("Authorization") == fmt.Sprintf("Bearer anybody%d", l.given) && (l.uses == 0 || l.left > 0)
		l.left--
		if l.private && !known {
			w.Header().Set("WWW-Authenticate", l.challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/v2/team/tool/")
		kind, reference, _ := strings.Cut(rest, "/")
		if digest, tagged := l.tags[reference]; tagged && kind == "manifests" {
			reference = digest
		}
		b, found := l.blobs[reference]
		if !ok || !found {
			http.NotFound(w, r)
			return
		}
		w.Write(b)
	}))
	l.challenge = fmt.Sprintf(`Bearer realm="%s/token",service="registry"`, l.URL)
	t.Cleanup(l.Close)
	return l
}

func (l *library) put(content []byte) descriptor {
	digest := "sha256:" + hashBytes(content)
	l.blobs[digest] = content
	return descriptor{Digest: digest, Size: int64(len(content))}
}

func (l *library) manifest(t *testing.T, m manifest) descriptor {
	t.Helper()
	m.SchemaVersion = 2
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return l.put(b)
}

func layerOf(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		content := h.PAXRecords["CORE.content"]
		h.PAXRecords = nil
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func program(name, content string) *tar.Header {
	return &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"CORE.content": content}}
}

func TestOCI(t *testing.T) {
	l, s := newLibrary(t), newStore(t)
	s.Platform = "linux/amd64"
	layer := func(content []byte) descriptor {
		d := l.put(content)
		d.MediaType = "application/vnd.oci.image.layer.v1.tar+gzip"
		return d
	}
	image := l.manifest(t, manifest{MediaType: ociManifest, Config: l.put([]byte("{}")), Layers: []descriptor{
		layer(layerOf(t, program("usr/bin/tool", script("old")), program("etc/x", ""))),
		layer(layerOf(t, program("usr/bin/tool", script("image")), &tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin"}, program("etc/.wh.x", ""))),
	}})
	index := manifest{MediaType: ociIndex}
	for _, platform := range []string{"linux/arm64", "linux/amd64"} {
		os, arch, _ := strings.Cut(platform, "/")
		d := image
		if arch == "arm64" {
			d = l.put([]byte("another"))
		}
		b, _ := json.Marshal(map[string]any{"mediaType": ociManifest, "digest": d.Digest, "size": d.Size, "platform": map[string]string{"os": os, "architecture": arch}})
		var entry descriptor
		if err := json.Unmarshal(b, &entry); err != nil {
			t.Fatal(err)
		}
		index.Manifests = append(index.Manifests, entry)
	}
	l.tags["1.0"] = l.manifest(t, index).Digest
	host := strings.TrimPrefix(l.URL, "http://")
	w := Want{Dep: spec.Dep{Name: "tool", Version: "1.0", Source: spec.SourceOCI, Asset: host + "/team/tool", Bin: spec.Paths{"usr/bin/tool"}}}
	for _, private := range []bool{false, true} {
		l.private = private
		locked := mustLock(t, s, w)
		if a := locked[0].Asset; a.Digest != image.Digest || a.URL != l.URL+"/v2/team/tool/manifests/"+image.Digest || a.Size != image.Size {
			t.Errorf("locked %+v", a)
		}
		says(t, mustInstall(t, s, w)["tool"], "image")
		tree := s.in(strings.TrimPrefix(image.Digest, "sha256:"), treeDir)
		if to, err := os.Readlink(filepath.Join(tree, "bin")); err != nil || to != "usr/bin" {
			t.Errorf("an absolute link leads to %q, %v", to, err)
		}
		if _, err := os.Stat(filepath.Join(tree, "etc/x")); err == nil {
			t.Error("a whiteout was ignored")
		}
		os.RemoveAll(s.in())
		os.Remove(filepath.Join(s.Root, lock.Name))
	}
	// A tag that has moved changes nothing; a blob that has, is refused.
	mustLock(t, s, w)
	l.tags["1.0"] = l.put([]byte("{}")).Digest
	says(t, mustInstall(t, s, w)["tool"], "image")
	os.RemoveAll(s.in())
	for digest := range l.blobs {
		if digest != image.Digest {
			l.blobs[digest] = append(l.blobs[digest], 'x')
		}
	}
	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "dependency tool (oci): GET "+l.URL+"/v2/team/tool/blobs/sha256:")
	l.blobs[image.Digest] = []byte(`{"schemaVersion": 2}`)
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "it is not what was expected: its digest is ")

	w.Version = "none"
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "/manifests/none: 404 Not Found: correct field dep.asset")
	l.challenge = `Basic realm="x"`
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "the registry asks for a login that is not known")
	l.challenge = `Bearer realm="http://example.invalid/token"`
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "the registry asks for a login over http")
}

// A registry's token may expire between two layers; one that is refused at once is
// not asked for for ever.
func TestOCITokenExpires(t *testing.T) {
	l, s := newLibrary(t), newStore(t)
	s.Platform = "linux/amd64"
	l.private, l.uses = true, 1
	var layers []descriptor
	for _, name := range []string{"usr/bin/tool", "etc/a", "etc/b"} {
		d := l.put(layerOf(t, program(name, script(name))))
		d.MediaType = "application/vnd.oci.image.layer.v1.tar+gzip"
		layers = append(layers, d)
	}
	l.tags["1.0"] = l.manifest(t, manifest{MediaType: ociManifest, Config: l.put([]byte("{}")), Layers: layers}).Digest
	w := Want{Dep: spec.Dep{Name: "tool", Version: "1.0", Source: spec.SourceOCI, Asset: strings.TrimPrefix(l.URL, "http://") + "/team/tool", Bin: spec.Paths{"usr/bin/tool"}}}
	mustLock(t, s, w)
	l.given = 0
	says(t, mustInstall(t, s, w)["tool"], "usr/bin/tool")
	if l.given != 4 { // the manifest and three layers
		t.Errorf("%d tokens", l.given)
	}
	os.RemoveAll(s.in())
	l.uses, l.given = -1, 0
	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "401 Unauthorized")
	if l.given != 1 {
		t.Errorf("%d tokens, none of which was taken", l.given)
	}
}

// An artifact's layers are files with titles, or archives.
func TestArtifact(t *testing.T) {
	l, s := newLibrary(t), newStore(t)
	titled := func(content []byte, title string) descriptor {
		d := l.put(content)
		d.MediaType, d.Annotations = "application/octet-stream", map[string]string{titleAnnotation: title}
		return d
	}
	config := l.put([]byte("{}"))
	l.tags["1"] = l.manifest(t, manifest{Config: config, Layers: []descriptor{titled([]byte(script("artifact")), "tool"), titled(pack(t, map[string]string{"more/x": "y"}), "more.tar.gz")}}).Digest
	l.tags["out"] = l.manifest(t, manifest{Config: config, Layers: []descriptor{titled([]byte(script("artifact")), "../tool")}}).Digest
	l.tags["untitled"] = l.manifest(t, manifest{Config: config, Layers: []descriptor{l.put([]byte("x"))}}).Digest
	l.tags["empty"] = l.manifest(t, manifest{}).Digest
	w := Want{Dep: spec.Dep{Name: "tool", Version: "1", Source: spec.SourceOCI, Asset: strings.TrimPrefix(l.URL, "http://") + "/team/tool"}}
	mustLock(t, s, w)
	says(t, mustInstall(t, s, w)["tool"], "artifact")
	for version, want := range map[string]string{"out": `entry "../tool": the name leads out of the archive`, "untitled": "and no title"} {
		w.Version = version
		mustLock(t, s, w)
		_, err := s.Ensure(t.Context(), []Want{w}, nil)
		refuses(t, err, want)
	}
	w.Version = "empty"
	_, err := s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "has no layers")
}

func FuzzImageManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"layers":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":1}],"config":{"digest":"sha256:` + strings.Repeat("1", 64) + `"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		for _, d := range append(m.Layers, m.Manifests...) {
			if !digestForm.MatchString(d.Digest) || d.Size < 0 {
				t.Errorf("%+v", d)
			}
		}
	})
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte(`{"tag_name":"v1","assets":[{"name":"a","size":1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRelease(b); err == nil {
			for _, a := range r.Assets {
				if a.Size < 0 || a.Size > maxDownload {
					t.Errorf("%+v", a)
				}
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`realm="https://auth.docker.io/token",service="registry.docker.io",scope="x"`)
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range parseChallenge(text) {
			if strings.Contains(value, `"`) || name != strings.ToLower(name) {
				t.Errorf("%q: %q", name, value)
			}
		}
	})
}

// What the store says of itself is read as strictly as what others say.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"a","files":{"bin/a":{"mode":493,"size":1,"sha256":"00"}}}`))
	f.Add([]byte(`{"version":1,"id":"a","key":"` + strings.Repeat("0", 64) + `","links":{"a":"bin/a"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEntry(b); err == nil {
			for name := range e.Files {
				if !filepath.IsLocal(name) {
					t.Errorf("file %q", name)
				}
			}
		}
		if r, err := decodeRecord(b); err == nil {
			for name, path := range r.Links {
				if strings.Contains(name, "/") || !filepath.IsLocal(path) {
					t.Errorf("link %q to %q", name, path)
				}
			}
		}
	})
}
