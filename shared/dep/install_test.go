package dep

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

// script is a program that says something.
func script(says string) string { return "#!/bin/sh\necho " + says + "\n" }

// pack makes a tar.gz of files; a name that ends in "!" is executable.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range sorted(files) {
		mode := int64(0o644)
		plain, program := strings.CutSuffix(name, "!")
		if program {
			mode = 0o755
		}
		h := &tar.Header{Name: plain, Mode: mode, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if to, link := strings.CutPrefix(files[name], "-> "); link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, to, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte(files[name]))
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// site is a web server that has files, and that counts what it is asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string
}

func newSite(t testing.TB) *site {
	s := &site{files: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		b, ok := s.files[r.URL.Path]
		s.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) put(path string, content []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
	return s.URL + path
}

func (s *site) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// newStore is a store of its own that waits for nothing.
func newStore(t testing.TB) Store {
	root := t.TempDir()
	return Store{Root: root, Bin: filepath.Join(root, "bin"), Network: Network{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}}
}

func fromURL(name, version, url string, bin ...string) Want {
	return Want{Dep: spec.Dep{Name: name, Version: version, Source: spec.SourceHTTP, URL: url, Bin: bin}}
}

func mustLock(t testing.TB, s Store, wants ...Want) []Locked {
	t.Helper()
	l, err := s.Lock(t.Context(), wants, Locking{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustInstall(t testing.TB, s Store, wants ...Want) map[string]string {
	t.Helper()
	paths, err := s.Ensure(t.Context(), wants, nil)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// refuses demands an error with all of some texts.
func refuses(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error: %v\nwant: %s", err, want)
		}
	}
}

// clean looks for what an install leaves behind.
func clean(t *testing.T, s Store) {
	t.Helper()
	for _, pattern := range []string{s.in(newPrefix + "*"), filepath.Join(s.Bin, ".*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestInstall(t *testing.T) {
	web, s := newSite(t), newStore(t)
	url := web.put("/tool-1.tar.gz", pack(t, map[string]string{"tool-1/bin/tool!": script("one"), "tool-1/README": "words", "tool-1/man/tool": "a manual"}))
	w := fromURL("tool", "1", url)

	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "dependency tool (http): tool@1 from http is not locked in "+filepath.Join(s.Root, "core.lock.json")+": run `launcher dep lock tool` and keep the file")
	if web.requests() > 0 {
		t.Errorf("asked for what is not locked: %v", web.asked)
	}
	l := mustLock(t, s, w)
	if len(l) != 1 || !l[0].Changed() || l[0].Asset.URL != url || l[0].Platform != s.platform() {
		t.Errorf("locked %+v", l)
	}
	asked := web.requests()
	var phases []Phase
	paths, err := s.Ensure(t.Context(), []Want{w, w}, func(p Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.Name != "tool" || p.Index != 1 || p.Total != 1 {
			t.Errorf("progress %+v", p)
		}
		_ = p.String()
	})
	if err != nil || paths["tool"] != filepath.Join(s.Bin, "tool") {
		t.Fatal(paths, err)
	}
	if want := []Phase{PhaseDownloading, PhaseUnpacking, PhaseInstalled}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	says(t, paths["tool"], "one")
	if web.requests() != asked {
		t.Errorf("what the lock had downloaded was downloaded again: %v", web.asked)
	}
	if to, err := os.Readlink(paths["tool"]); err != nil || !strings.HasPrefix(to, "../store/"+l[0].Asset.SHA256+"/tree/") {
		t.Errorf("the link leads to %s, %v", to, err)
	}
	clean(t, s)
	if left, _ := os.ReadDir(s.in(partialDir)); len(left) > 0 {
		t.Errorf("downloads left behind: %v", left)
	}
	// It is there: nobody is asked, not even the disk for much.
	mustInstall(t, s, w)
	if web.requests() != asked {
		t.Errorf("installed again: %v", web.asked)
	}

	// Another version: what runs goes on, the link is switched, the lock of the
	// first is of no use.
	second := fromURL("tool", "2", web.put("/tool-2.tar.gz", pack(t, map[string]string{"tool!": script("two"), "more!": script("more")})), "tool", "more")
	_, err = s.Ensure(t.Context(), []Want{second}, nil)
	refuses(t, err, "tool@2 from http is not locked")
	says(t, paths["tool"], "one")
	mustLock(t, s, second)
	mustInstall(t, s, second)
	says(t, paths["tool"], "two")
	says(t, filepath.Join(s.Bin, "more"), "more")
	mustInstall(t, s, w)
	says(t, paths["tool"], "one")
	if _, err := os.Lstat(filepath.Join(s.Bin, "more")); err == nil {
		t.Error("a link of the other version stayed")
	}
	// A changed spec is another thing, whatever the lock has.
	w.URL += "?x"
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "tool@1 from http is locked in", `and the spec says "`+w.URL)
	w.URL = url
	s.Platform = "plan9/mips"
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "is not locked for plan9/mips in", "run `launcher dep lock tool --platform plan9/mips`")
}

// What is refused leaves what was there, and says field and fix.
// What a caller made by hand is refused as a spec would be.
func TestWithoutVersion(t *testing.T) {
	s := newStore(t)
	for _, source := range []spec.Source{spec.SourceGoInstall, spec.SourceOCI} {
		w := Want{Dep: spec.Dep{Name: "tool", Source: source, Asset: "example.org/a/tool"}}
		_, err := s.Lock(t.Context(), []Want{w}, Locking{}, nil)
		refuses(t, err, "it does not say which version to install: set field dep.version")
		_, err = s.Ensure(t.Context(), []Want{w}, nil)
		refuses(t, err, "it does not say which version to install: set field dep.version")
	}
}

func TestInstallRefuses(t *testing.T) {
	elf := func(machine byte) string {
		return "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 11) + string([]byte{machine, 0}) + "rest"
	}
	other := byte(183)
	if newStore(t).platform() == "linux/arm64" {
		other = 62
	}
	good := pack(t, map[string]string{"tool!": script("good")})
	for what, tt := range map[string]struct {
		name    string
		content []byte
		bin     []string
		want    []string
	}{
		"truncated":             {"t.tar.gz", good[:len(good)-6], nil, []string{"unpack t.tar.gz: the tar.gz archive ends too early", "correct field dep.url, or ask the publisher"}},
		"hostile":               {"t.tar.gz", pack(t, map[string]string{"../../../tool!": script("x")}), nil, []string{`entry "../../../tool": the name leads out of the archive`, "field dep.url"}},
		"a link out":            {"t.tar.gz", pack(t, map[string]string{"tool": "-> /bin/sh"}), nil, []string{`entry "tool": the link to "/bin/sh" is absolute`}},
		"a page":                {"t.tar.gz", []byte("<html>"), nil, []string{"t.tar.gz is no tar.gz: the content is plain"}},
		"not executable":        {"t.tar.gz", pack(t, map[string]string{"tool": script("x"), "a": ""}), nil, []string{`"tool" is not executable (mode 0644): name an executable file in field dep.bin`}},
		"not executable, named": {"t.tar.gz", pack(t, map[string]string{"x/tool": script("x"), "a": ""}), []string{"x/tool"}, []string{`"x/tool" is not executable (mode 0644)`}},
		"no program":            {"t", []byte("words\nand more of them, so that there is enough"), nil, []string{`"tool" is no program of this system: correct field dep.asset, dep.url or dep.bin: it should be a program for linux/`}},
		"another processor":     {"t", []byte(elf(other)), nil, []string{`"tool" is for another processor`}},
		"no such binary":        {"t.tar.gz", good, []string{"bin/tool"}, []string{`the archive has no file "bin/tool"; it has tool: correct field dep.bin`}},
		"several":               {"t.tar.gz", pack(t, map[string]string{"a/tool!": "x", "b/tool!": "x"}), nil, []string{"several files with the name tool: a/tool, b/tool: name the binary in field dep.bin"}},
		"none":                  {"t.tar.gz", pack(t, map[string]string{"a": "x", "b": "x"}), nil, []string{"no file with the name tool; it has a, b: name the binary in field dep.bin"}},
		"the platform's":        {"t.tar.gz", pack(t, map[string]string{"tool!": "x", "procd!": "x"}), []string{"tool", "procd"}, []string{`"procd" is the name of a binary of the platform`}},
	} {
		t.Run(what, func(t *testing.T) {
			web, s := newSite(t), newStore(t)
			before := fromURL("tool", "1", web.put("/good", good))
			mustLock(t, s, before)
			path := mustInstall(t, s, before)["tool"]
			w := fromURL("tool", "2", web.put("/"+tt.name, tt.content), tt.bin...)
			fine := fromURL("fine", "1", web.put("/fine", []byte(script("fine"))))
			mustLock(t, s, w, fine)
			var last Progress
			_, err := s.Ensure(t.Context(), []Want{w, fine}, func(p Progress) {
				if p.Name == "tool" {
					last = p
				}
			})
			refuses(t, err, append(tt.want, "dependency tool (http): ")...)
			if last.Phase != PhaseFailed || last.Err == nil {
				t.Errorf("last progress %v", last)
			}
			says(t, path, "good")
			says(t, filepath.Join(s.Bin, "fine"), "fine") // the others are unharmed
			clean(t, s)
		})
	}
}

// What has changed since it was locked is not used, and what was there stays.
func TestChangedContent(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool", []byte(script("good"))))
	mustLock(t, s, w)
	os.RemoveAll(s.in(partialDir))
	web.put("/tool", []byte(script("evil")))
	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "it is not what was expected: its sha256 is ", "run `launcher dep lock --update tool`; otherwise do not use it")
	if _, err := os.Lstat(filepath.Join(s.Bin, "tool")); err == nil {
		t.Error("it was installed")
	}
	// Locking again does not adopt it, unless that is what is asked for.
	if l := mustLock(t, s, w); l[0].Changed() {
		t.Errorf("locked %+v", l)
	}
	l, err := s.Lock(t.Context(), []Want{w}, Locking{Update: true}, nil)
	if err != nil || !l[0].Changed() || l[0].Before.SHA256 == "" {
		t.Errorf("locked %+v %v", l, err)
	}
	says(t, mustInstall(t, s, w)["tool"], "evil")
}

func TestNotThere(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.URL+"/none?token=secret")
	_, err := s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "dependency tool (http): GET "+web.URL+"/none: 404 Not Found: correct field dep.url; if it is not public, set CORE_GITHUB_TOKEN or a mirror")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a query is told: %v", err)
	}
	web.Close()
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "connection refused (6 attempts): try again, or set a mirror in dep.mirrors")
}

func TestUnwritableRoot(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool", []byte(script("x"))))
	mustLock(t, s, w)
	file := filepath.Join(s.Root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Bin = filepath.Join(file, "bin")
	_, err := s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, "dependency tool (http): mkdir "+file, "make the directory writable, or choose another with --root")
	// What is there and was not installed is nobody's to replace.
	s.Bin = filepath.Join(s.Root, "bin")
	write(t, s.Bin, map[string]string{"tool": "mine"})
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	refuses(t, err, filepath.Join(s.Bin, "tool")+" is there already, and was not installed from a lock file: remove it, or correct field dep.name or dep.bin")
	if b, _ := os.ReadFile(filepath.Join(s.Bin, "tool")); string(b) != "mine" {
		t.Errorf("it was replaced by %q", b)
	}
}

// Links lead to the store also where the directories are reached through links.
func TestBinIsALink(t *testing.T) {
	web, s := newSite(t), newStore(t)
	elsewhere := filepath.Join(t.TempDir(), "a", "b", "bin")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, s.Bin); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Symlink(s.Root, root); err != nil {
		t.Fatal(err)
	}
	s.Root, s.Bin = root, filepath.Join(root, "bin")
	w := fromURL("tool", "1", web.put("/tool", []byte(script("one"))))
	mustLock(t, s, w)
	says(t, mustInstall(t, s, w)["tool"], "one")
	asked := web.requests()
	mustInstall(t, s, w)
	if web.requests() != asked {
		t.Errorf("installed again: %v", web.asked)
	}
	if list, err := s.GC(t.Context(), nil, false); err != nil || len(list) != 3 {
		t.Errorf("%+v %v", list, err)
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Two dependencies do not take names from each other.
func TestOwners(t *testing.T) {
	web, s := newSite(t), newStore(t)
	first := fromURL("first", "1", web.put("/a.tar.gz", pack(t, map[string]string{"first!": script("1"), "cli!": script("first")})), "first", "cli")
	second := fromURL("second", "1", web.put("/b.tar.gz", pack(t, map[string]string{"second!": script("2"), "cli!": script("second")})), "second", "cli")
	mustLock(t, s, first, second)
	mustInstall(t, s, first)
	_, err := s.Ensure(t.Context(), []Want{second}, nil)
	refuses(t, err, filepath.Join(s.Bin, "cli")+" is a binary of first@1 from http already: name other binaries in field dep.bin")
	says(t, filepath.Join(s.Bin, "cli"), "first")
	if _, err := os.Lstat(filepath.Join(s.Bin, "second")); err == nil {
		t.Error("a part of it was installed")
	}
}

// Without dep.bin all programs of an archive are there, as the Redis of the
// documentation needs it.
func TestAllPrograms(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("redis", "7.2.4", web.put("/redis-7.2.4-linux-amd64.tar.gz", pack(t, map[string]string{
		"redis-7.2.4/src/redis-server!": script("server"), "redis-7.2.4/src/redis-cli!": script("cli"), "redis-7.2.4/redis.conf": "x",
	})))
	mustLock(t, s, w)
	path := mustInstall(t, s, w)["redis"]
	if filepath.Dir(path) != s.Bin {
		t.Errorf("path %s", path)
	}
	says(t, filepath.Join(s.Bin, "redis-server"), "server")
	says(t, filepath.Join(s.Bin, "redis-cli"), "cli")
	// One that dep.bin names has its own name and the dependency's.
	w.Bin = spec.Paths{"redis-{version}/src/redis-server"}
	path = mustInstall(t, s, w)["redis"]
	says(t, path, "server")
	says(t, filepath.Join(s.Bin, "redis-server"), "server")
	if _, err := os.Lstat(filepath.Join(s.Bin, "redis-cli")); path != filepath.Join(s.Bin, "redis") || err == nil {
		t.Errorf("path %s, redis-cli %v", path, err)
	}
}

// Several that want the same at once install it once.
func TestConcurrentInstall(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool.tar.gz", pack(t, map[string]string{"tool!": script("one")})))
	mustLock(t, s, w)
	os.RemoveAll(s.in(partialDir))
	before := web.requests()
	var mu sync.Mutex
	unpacked := 0
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			paths, err := s.Ensure(t.Context(), []Want{w}, func(p Progress) {
				if p.Phase == PhaseUnpacking {
					mu.Lock()
					unpacked++
					mu.Unlock()
				}
			})
			if err != nil || paths["tool"] == "" {
				t.Error(paths, err)
			}
		})
	}
	wg.Wait()
	if n := web.requests() - before; n != 1 || unpacked != 1 {
		t.Errorf("downloaded %d times, unpacked %d times", n, unpacked)
	}
	says(t, filepath.Join(s.Bin, "tool"), "one")
}

// A download that was cut off when its process ended is gone on with.
func TestInstallResumes(t *testing.T) {
	web, s := newSite(t), newStore(t)
	content := append([]byte(script("long")), bytes.Repeat([]byte("#\n"), 50_000)...)
	w := fromURL("tool", "1", web.put("/tool", content))
	l := mustLock(t, s, w)
	partial := s.in(partialDir, l[0].Asset.SHA256)
	if err := os.Truncate(partial, 60_000); err != nil {
		t.Fatal(err)
	}
	first := int64(-1)
	_, err := s.Ensure(t.Context(), []Want{w}, func(p Progress) {
		if p.Phase == PhaseDownloading && first < 0 {
			first = p.Bytes
		}
	})
	if err != nil || first <= 60_000 {
		t.Errorf("began at %d: %v", first, err)
	}
	says(t, filepath.Join(s.Bin, "tool"), "long")
}

func TestCancelInstall(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool.tar.gz", pack(t, map[string]string{"tool!": script("one")})))
	mustLock(t, s, w)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Ensure(ctx, []Want{w}, func(p Progress) {
		if p.Phase == PhaseUnpacking {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	clean(t, s)
	says(t, mustInstall(t, s, w)["tool"], "one")
}

func TestOffline(t *testing.T) {
	web, s := newSite(t), newStore(t)
	a, b := fromURL("a", "1", web.put("/a", []byte(script("a")))), fromURL("b", "1", web.put("/b", []byte(script("b"))))
	mustLock(t, s, a, b)
	mustInstall(t, s, a)
	os.RemoveAll(s.in(partialDir))
	asked := web.requests()
	s.Offline = true
	says(t, mustInstall(t, s, a)["a"], "a")
	_, err := s.Ensure(t.Context(), []Want{a, b}, nil)
	refuses(t, err, "dependency b (http): GET "+b.URL+": the network is not to be used (setting dep.offline): install it once with the network")
	_, err = s.Lock(t.Context(), []Want{b}, Locking{Update: true}, nil)
	refuses(t, err, "the network is not to be used")
	if web.requests() != asked {
		t.Errorf("asked for %v", web.asked[asked:])
	}
}

func TestMirror(t *testing.T) {
	web, s := newSite(t), newStore(t)
	web.put("/copies/tool", []byte(script("mirrored")))
	s.Mirrors = []fetch.Mirror{{Prefix: "https://example.invalid/", Replacement: web.URL + "/copies/"}}
	w := fromURL("tool", "1", "https://example.invalid/tool")
	if l := mustLock(t, s, w); l[0].Asset.URL != w.URL {
		t.Errorf("the lock names the mirror: %+v", l)
	}
	os.RemoveAll(s.in(partialDir))
	says(t, mustInstall(t, s, w)["tool"], "mirrored")
}

func TestLockFilePlace(t *testing.T) {
	s := Store{Root: "/r", Workspace: "/w"}
	for dir, want := range map[string]string{"/w/services/a": "/w/core.lock.json", "/w/services": "/w/core.lock.json", "/w/x": "/r/core.lock.json", "/r/specs": "/r/core.lock.json", "": "/r/core.lock.json"} {
		if got := s.LockFile(Want{Dir: dir}); got != want {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
}

// A lock file is for all platforms that it has, and loses what nobody wants.
func TestLockPlatforms(t *testing.T) {
	web, s := newSite(t), newStore(t)
	s.Platform = "linux/amd64"
	for _, name := range []string{"/a-1-linux-amd64", "/a-1-darwin-arm64", "/a-2-linux-amd64"} {
		web.put(name, []byte(script(name)))
	}
	a := fromURL("a", "1", web.URL+"/a-{version}-{os}-{arch}")
	l, err := s.Lock(t.Context(), []Want{a}, Locking{Platforms: []string{"linux/amd64", "darwin/arm64"}}, nil)
	if err != nil || len(l) != 2 {
		t.Fatal(l, err)
	}
	a.Version = "2"
	l, err = s.Lock(t.Context(), []Want{a}, Locking{Prune: true}, nil)
	refuses(t, err, "/a-2-darwin-arm64: 404 Not Found")
	if len(l) != 1 || l[0].Platform != "linux/amd64" {
		t.Errorf("locked %+v", l)
	}
	file, err := lock.Read(filepath.Join(s.Root, lock.Name))
	if err != nil || len(file.Deps) != 1 || len(file.Deps["a@2 from http"].Platforms) != 1 {
		t.Errorf("%+v %v", file, err)
	}
	if err := os.WriteFile(filepath.Join(s.Root, lock.Name), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock(t.Context(), []Want{a}, Locking{}, nil)
	refuses(t, err, "lock file "+filepath.Join(s.Root, lock.Name), "take the file from version control again")
	_, err = s.Ensure(t.Context(), []Want{a}, nil)
	refuses(t, err, "dependency a (http): lock file ")
}
