package supervisor_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ensuring is a spec with some entries.
func ensuring(t testing.TB, files map[string]string, entries ...string) spec.Located {
	t.Helper()
	return located(t, `{"id":"alpha","process":{"command":"true","ensure":[`+strings.Join(entries, ",")+`]}}`, files)
}

// files serves files, and "flaky" at the third attempt only.
func files(t *testing.T, content map[string]string) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		text, ok := content[r.URL.Path]
		switch {
		case r.URL.Path == "/flaky" && n < 3:
			http.Error(w, "not yet", http.StatusBadGateway)
		case r.URL.Path == "/cut":
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "half")
		case r.URL.Path == "/endless":
			for range 64 {
				io.WriteString(w, strings.Repeat("x", 1024))
			}
		case !ok:
			http.NotFound(w, r)
		default:
			io.WriteString(w, text)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// impatient is a client that does not wait between attempts.
func impatient(t testing.TB, o fetch.Options) *fetch.Client {
	o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	c := fetch.New(o)
	t.Cleanup(c.Close)
	return c
}

// Downloads keep to the settings of the node, and errors keep secrets.
func TestEnsureDownloadsAsTheNode(t *testing.T) {
	url, asked := files(t, map[string]string{"/mirror/a": "fetched"})
	s := func(path, sum string) spec.Located {
		return ensuring(t, nil, fmt.Sprintf(`{"type":"download","url":"https://files.example.org%s?token=hidden","sha256":%q,"target":"{shared.config.dataDir}/x"}`, path, digest(sum)))
	}
	mirrors := []fetch.Mirror{{Prefix: "https://files.example.org", Replacement: strings.Replace(url, "//", "//user:hidden@", 1) + "/mirror"}}
	b := builder(t)
	b.Client = impatient(t, fetch.Options{Mirrors: mirrors, Offline: true})
	if _, err := b.Build(t.Context(), s("/a", "fetched"), supervisor.Instance{Name: "i"}); err == nil || !strings.Contains(err.Error(), "dep.offline") || asked.Load() != 0 {
		t.Errorf("offline: %v, asked %d times", err, asked.Load())
	}
	b.Client = impatient(t, fetch.Options{Mirrors: mirrors})
	if _, err := b.Build(t.Context(), s("/b", ""), supervisor.Instance{Name: "i"}); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("missing: %v", err)
	}
	if _, err := b.Build(t.Context(), s("/a", "fetched"), supervisor.Instance{Name: "i"}); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(b.Layout.Downloads()); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestEnsure(t *testing.T) {
	b := builder(t)
	b.Client = impatient(t, fetch.Options{})
	url, asked := files(t, map[string]string{"/flaky": "fetched"})
	outside := filepath.Join(t.TempDir(), "deep", "outside.conf")
	s := ensuring(t, map[string]string{"source.txt": "copied"},
		`{"type":"mkdir","path":"{shared.config.dataDir}/cache","mode":"0750"}`,
		`{"type":"file","target":"{shared.config.dir}/sub/a.conf","content":"id {service.id}\n","mode":"0640"}`,
		`{"type":"file","target":"{node.dir}/shared.conf"}`,
		`{"type":"copy","source":"source.txt","target":"{shared.config.dataDir}/copy"}`,
		`{"type":"symlink","source":"/etc/hostname","target":"{shared.config.dataDir}/link"}`,
		fmt.Sprintf(`{"type":"download","url":"%s/flaky","sha256":%q,"target":"{shared.config.dataDir}/fetched","mode":"0755"}`, url, digest("fetched")),
		fmt.Sprintf(`{"type":"file","target":%q,"content":"x","outside":true}`, outside),
	)
	want := []string{
		"made directory data/alpha/cache", "wrote conf/alpha/sub/a.conf", "wrote shared.conf", "wrote data/alpha/copy", "linked data/alpha/link",
		"downloaded data/alpha/fetched", "wrote " + outside,
	}
	prepare := func() []string {
		t.Helper()
		built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
		if err != nil {
			t.Fatal(err)
		}
		return built.Prepared
	}
	if got := prepare(); !slices.Equal(got, want) {
		t.Errorf("changed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	data, conf := b.Layout.Data("alpha"), b.Layout.Conf("alpha")
	for path, want := range map[string]string{
		data + "/copy": "copied -rw-------", conf + "/sub/a.conf": "id alpha\n -rw-r-----", data + "/fetched": "fetched -rwxr-xr-x", b.Layout.Dir + "/shared.conf": " -rw-------",
		outside: "x -rw-------",
	} {
		text, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(text)+" "+info.Mode().String() != want {
			t.Errorf("%s: %q, %v, %v; want %s", path, text, info, err, want)
		}
	}
	if to, err := os.Readlink(data + "/link"); to != "/etc/hostname" {
		t.Error(to, err)
	}
	if got := prepare(); len(got) > 0 || asked.Load() != 3 {
		t.Errorf("again: %v, asked %d times", got, asked.Load())
	}
	// What somebody changed is put right, and only that.
	for _, err := range []error{
		os.WriteFile(data+"/copy", []byte("spoilt"), 0o600), os.Chmod(conf+"/sub/a.conf", 0o666), os.Remove(data + "/link"), os.Symlink("/", data+"/link"),
		os.WriteFile(data+"/fetched", []byte("spoilt!"), 0o600), os.Chmod(data+"/cache", 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want = []string{
		"set the permissions of data/alpha/cache", "set the permissions of conf/alpha/sub/a.conf", "wrote data/alpha/copy", "linked data/alpha/link",
		"downloaded data/alpha/fetched",
	}
	if got := prepare(); !slices.Equal(got, want) {
		t.Errorf("changed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := prepare(); len(got) > 0 {
		t.Errorf("again: %v", got)
	}
}

// What is beside a target is somebody else's, whatever its name.
func TestEnsureLeavesNeighbours(t *testing.T) {
	b := builder(t)
	dir := t.TempDir()
	s := ensuring(t, nil,
		fmt.Sprintf(`{"type":"file","target":%q,"content":"x","outside":true}`, dir+"/config"),
		fmt.Sprintf(`{"type":"symlink","source":"/etc/hostname","target":%q,"outside":true}`, dir+"/link"),
		fmt.Sprintf(`{"type":"file","target":%q,"content":"x","outside":true}`, dir+"/"+strings.Repeat("n", 255)),
	)
	for _, err := range []error{
		os.WriteFile(dir+"/config.new", []byte("mine"), 0o600), os.Mkdir(dir+"/link.new", 0o700), os.WriteFile(dir+"/link.new/a", []byte("mine"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/config.new", "/link.new/a"} {
		if text, err := os.ReadFile(dir + path); string(text) != "mine" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 5 {
		t.Errorf("there is %v, %v", left, err)
	}
}

func TestEnsureRefuses(t *testing.T) {
	url, _ := files(t, map[string]string{"/a": "fetched"})
	victim := filepath.Join(t.TempDir(), "victim")
	download := func(path, sum, more string) string {
		return fmt.Sprintf(`{"type":"download","url":"%s%s","sha256":%q,"target":"{shared.config.dataDir}/x"%s}`, url, path, sum, more)
	}
	for name, c := range map[string]struct{ entry, want string }{
		"file upwards":       {`{"type":"file","target":"{shared.config.dir}/../../../x"}`, "process.ensure[0].target: "},
		"file outside":       {fmt.Sprintf(`{"type":"file","target":%q}`, victim+"/x"), `use {shared.config.dir} or {shared.config.dataDir}, or say "outside": true`},
		"through a link":     {`{"type":"file","target":"{shared.config.dataDir}/away/x"}`, "process.ensure[0].target: look at "},
		"another's data":     {`{"type":"file","target":"{shared.config.dataDir}/neighbour/x"}`, "escapes"},
		"link through link":  {`{"type":"symlink","source":"/x","target":"{shared.config.dataDir}/away/x"}`, "escapes"},
		"on a directory":     {`{"type":"file","target":"{shared.config.dataDir}/dir"}`, "process.ensure[0].target: "},
		"link on a file":     {`{"type":"symlink","source":"/x","target":"{shared.config.dataDir}/file"}`, "is there and no symbolic link: move it away"},
		"link on directory":  {`{"type":"symlink","source":"/x","target":"{shared.config.dataDir}/dir"}`, "is there and no symbolic link"},
		"below a file":       {`{"type":"file","target":"{shared.config.dataDir}/file/x"}`, "process.ensure[0].target: "},
		"no source":          {`{"type":"copy","source":"missing","target":"{shared.config.dataDir}/x"}`, "process.ensure[0].source: open "},
		"source a directory": {`{"type":"copy","source":"/etc","target":"{shared.config.dataDir}/x"}`, "process.ensure[0].source: /etc is no file"},
		"wrong digest":       {download("/a", digest("other"), ""), "process.ensure[0].url: GET " + url + "/a: it is not what was expected: its sha256 is " + digest("fetched") + ": want " + digest("other")},
		"not found":          {download("/b", digest(""), ""), "404 Not Found: correct the URL"},
		"too large":          {download("/a", digest("fetched"), `,"maxSize":6`), "it has 7 bytes: want at most 6: correct the URL, or raise maxSize, 6"},
		"endless":            {download("/endless", digest("x"), `,"maxSize":"1K"`), "more"},
		"cut short":          {download("/cut", digest("half"), ""), "unexpected EOF (6 attempts)"},
		"on a directory too": {strings.ReplaceAll(download("/a", digest("fetched"), ""), "/x", "/dir"), "is a directory: move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			b := builder(t)
			b.Client = impatient(t, fetch.Options{})
			data := b.Layout.Data("alpha")
			for _, err := range []error{
				os.MkdirAll(data+"/dir/full", 0o700), os.MkdirAll(b.Layout.Data("beta"), 0o700), os.MkdirAll(victim, 0o700),
				os.Symlink(victim, data+"/away"), os.Symlink("../beta", data+"/neighbour"), os.WriteFile(data+"/file", []byte("mine"), 0o600),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := b.Build(t.Context(), ensuring(t, nil, c.entry), supervisor.Instance{Name: "i"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "process.ensure[0].") {
				t.Errorf("%v, want %q", err, c.want)
			}
			for _, dir := range []string{victim, b.Layout.Data("beta")} {
				if got, _ := os.ReadDir(dir); len(got) > 0 {
					t.Errorf("%s has %v", dir, got)
				}
			}
			entries, _ := os.ReadDir(data)
			if len(entries) != 4 {
				t.Errorf("left: %v", entries)
			}
			if text, _ := os.ReadFile(data + "/file"); string(text) != "mine" {
				t.Error("a file was changed")
			}
		})
	}
}

// A link that changes while entries are made leads nowhere else.
func TestEnsureRace(t *testing.T) {
	b := builder(t)
	victim := t.TempDir()
	data := b.Layout.Data("alpha")
	if err := os.MkdirAll(data+"/real", 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		for {
			select {
			case <-done:
				return
			default:
			}
			os.Symlink(victim, data+"/flip")
			os.Remove(data + "/flip")
			os.Mkdir(data+"/flip", 0o700)
			os.RemoveAll(data + "/flip")
			os.Symlink(victim+"/y", data+"/x")
			os.Remove(data + "/x")
		}
	}()
	s := ensuring(t, nil, `{"type":"file","target":"{shared.config.dataDir}/x","content":"a"}`, `{"type":"file","target":"{shared.config.dataDir}/flip/x","content":"a"}`)
	for range 200 {
		b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
	}
	close(done)
	<-joined
	if got, _ := os.ReadDir(victim); len(got) > 0 {
		t.Errorf("written outside: %v", got)
	}
}

// Services that are prepared beside each other do not get in each other's way.
func TestEnsureTogether(t *testing.T) {
	for range 20 {
		b := builder(t)
		errs := make(chan error, 8)
		for i := range cap(errs) {
			s := located(t, fmt.Sprintf(`{"id":"s%d","process":{"command":"true","ensure":[{"type":"mkdir","path":"{node.dir}/a/b/c"}]}}`, i), nil)
			go func() {
				_, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}
