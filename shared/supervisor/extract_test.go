package supervisor_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ulikunitz/xz"

	"core.internal/shared/dep/fetch"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// tarball packs entries, in order: a name that ends in / is a directory, content that
// begins with -> a symbolic link.
func tarball(t testing.TB, pack func(io.Writer) (io.WriteCloser, error), entries ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := pack(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e[0], Mode: 0o755, Size: int64(len(e[1])), Typeflag: tar.TypeReg}
		to, link := strings.CutPrefix(e[1], "->")
		switch {
		case link:
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, to, 0
		case strings.HasSuffix(e[0], "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if !link {
			if _, err := io.WriteString(w, e[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gz(w io.Writer) (io.WriteCloser, error)   { return gzip.NewWriter(w), nil }
func xzed(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }
func zipped(t testing.TB, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unpacking is an entry that unpacks what a server has at /a.
func unpacking(url, content, extract, more string) string {
	return fmt.Sprintf(`{"type":"download","url":"%s/a","sha256":%q,"extract":%q,"target":"{shared.config.dataDir}/geo"%s}`, url, digest(content), extract, more)
}

// merged is an entry with some members replaced.
func merged(t *testing.T, entry, more string) string {
	t.Helper()
	members := map[string]any{}
	for _, text := range []string{entry, "{" + strings.TrimPrefix(more, ",") + "}"} {
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tree lists what is in a directory, as "name: content" or "name -> link".
func tree(t testing.TB, dir string) []string {
	t.Helper()
	list := []string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			list = append(list, name+" -> "+to)
			return err
		case d.IsDir():
			list = append(list, name+"/")
			return nil
		}
		text, err := os.ReadFile(path)
		list = append(list, name+": "+string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEnsureExtracts(t *testing.T) {
	first := tarball(t, gz, [2]string{"bin/tool", "one"}, [2]string{"old", "gone"}, [2]string{"tool", "->bin/tool"})
	second := tarball(t, xzed, [2]string{"bin/tool", "two"})
	third := zipped(t, "bin/tool", "three")
	var content atomic.Value
	asked := new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		io.WriteString(w, content.Load().(string))
	}))
	t.Cleanup(s.Close)
	b := builder(t)
	b.Client = impatient(t, fetch.Options{})
	data := b.Layout.Data("alpha")
	prepare := func(entries ...string) []string {
		t.Helper()
		built, err := b.Build(t.Context(), ensuring(t, nil, entries...), supervisor.Instance{Name: "i"})
		if err != nil {
			t.Fatal(err)
		}
		return built.Prepared
	}
	step := func(archive, extract string, changes, want []string) {
		t.Helper()
		content.Store(archive)
		want = append([]string{"geo/", "geo/.core-archive: " + digest(archive)}, want...)
		for range 2 { // the second time nothing changes and nobody is asked
			before := asked.Load()
			entry := unpacking(s.URL, archive, extract, `,"mode":"0750"`)
			if got := prepare(entry); !slices.Equal(got, changes) || len(changes) == 0 && asked.Load() != before {
				t.Errorf("%s: changed %q, want %q; asked %d times", extract, got, changes, asked.Load()-before)
			}
			if got := tree(t, data); !slices.Equal(got, want) {
				t.Errorf("%s: there is\n%s\nwant\n%s", extract, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			changes = nil
		}
	}
	// A directory that an entry before it makes is empty, hence free.
	prepare(`{"type":"mkdir","path":"{shared.config.dataDir}/geo"}`)
	unpacked := []string{"unpacked data/alpha/geo"}
	step(first, "tar.gz", unpacked, []string{"geo/bin/", "geo/bin/tool: one", "geo/old: gone", "geo/tool -> bin/tool"})
	step(second, "tar.xz", unpacked, []string{"geo/bin/", "geo/bin/tool: two"})
	step(third, "zip", unpacked, []string{"geo/bin/", "geo/bin/tool: three"})
	if info, err := os.Stat(data + "/geo"); err != nil || info.Mode().Perm() != 0o750 {
		t.Error(info.Mode(), err)
	}
	if err := os.Chmod(data+"/geo", 0o777); err != nil {
		t.Fatal(err)
	}
	step(third, "zip", []string{"set the permissions of data/alpha/geo"}, []string{"geo/bin/", "geo/bin/tool: three"})
	// A stamp that is another's is replaced with all that it stands for.
	if err := os.WriteFile(data+"/geo/.core-archive", []byte(digest("another")), 0o600); err != nil {
		t.Fatal(err)
	}
	step(third, "zip", unpacked, []string{"geo/bin/", "geo/bin/tool: three"})
}

// Whatever is wrong with an archive or its place, the error names the field, and what
// was there stays as it was.
func TestEnsureExtractRefuses(t *testing.T) {
	const harmless = "correct the URL with its sha256 and extract, or ask for an archive that is whole and harmless"
	good := tarball(t, gz, [2]string{"a", "a"})
	for name, c := range map[string]struct{ archive, more, field, want string }{
		"upwards":          {archive: tarball(t, gz, [2]string{"../x", "x"}), want: `unpack it: entry "../x": the name leads out of the archive: ` + harmless},
		"absolute":         {archive: tarball(t, gz, [2]string{"/x", "x"}), want: `entry "/x": the name is absolute`},
		"link out":         {archive: tarball(t, gz, [2]string{"x", "->../../secret"}), want: `the link to "../../secret" leads out of the archive`},
		"through a link":   {archive: tarball(t, gz, [2]string{"x", "->."}, [2]string{"x/y", "z"}), want: `it passes through the link "x"`},
		"our stamp":        {archive: tarball(t, gz, [2]string{".core-archive", "x"}), want: `the archive has ".core-archive"`},
		"our stamp a link": {archive: tarball(t, gz, [2]string{"a", "a"}, [2]string{".core-archive", "->a"}), want: `the archive has ".core-archive"`},
		"too large":        {archive: tarball(t, gz, [2]string{"x", strings.Repeat("x", 8<<10)}), more: `,"maxSize":"4K"`, want: "it unpacks to more than 4096 bytes: raise maxSize, 4K, if it may become so large"},
		"truncated":        {archive: good[:len(good)-4], want: "the tar.gz archive ends too early"},
		"another kind":     {archive: zipped(t, "a", "a"), want: "archive.tar.gz is no tar.gz: the content is zip"},
		"no archive":       {archive: "plain text", want: "archive.tar.gz is no tar.gz: the content is plain"},
		"empty":            {archive: tarball(t, gz), want: "the tar.gz archive has no files"},
		"wrong digest":     {archive: good, more: `,"sha256":"` + digest("other") + `"`, want: "it is not what was expected"},
		"long name":        {archive: tarball(t, gz, [2]string{"d/" + strings.Repeat("x", 256), "x"}), want: `xxx…": the name is too long: ask for an archive with shorter names`},
		"long path":        {archive: tarball(t, gz, [2]string{strings.Repeat("x/", 2050), ""}), want: `/…": the name is too long: ask for an archive with shorter names`},
		"no stamp at all":  {archive: good, more: `,"target":"{shared.config.dataDir}/spoilt"`, field: "target", want: "/spoilt has files that came from no archive: move it away"},
		"half a stamp":     {archive: good, more: `,"target":"{shared.config.dataDir}/half"`, field: "target", want: "/half has files that came from no archive: move it away"},
		"somebody's files": {archive: good, more: `,"target":"{shared.config.dataDir}/mine"`, field: "target", want: "/mine has files that came from no archive: move it away"},
		"a file":           {archive: good, more: `,"target":"{shared.config.dataDir}/mine/file"`, field: "target", want: "is there and no directory: move it away"},
		"a link":           {archive: good, more: `,"target":"{shared.config.dataDir}/link"`, field: "target", want: "is there and no directory: move it away"},
		"data":             {archive: good, more: `,"target":"{shared.config.dataDir}"`, field: "target", want: "is not for one archive alone"},
		"node":             {archive: good, more: `,"target":"{node.dir}"`, field: "target", want: "is not for one archive alone"},
		"outside":          {archive: good, more: `,"target":"/tmp/geo"`, field: "target", want: "is outside the node directory"},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := files(t, map[string]string{"/a": c.archive})
			b := builder(t)
			b.Client = impatient(t, fetch.Options{})
			data := b.Layout.Data("alpha")
			for _, err := range []error{
				os.MkdirAll(data+"/mine", 0o700), os.WriteFile(data+"/mine/file", []byte("mine"), 0o600), os.Symlink("mine", data+"/link"),
				os.MkdirAll(data+"/spoilt", 0o700), os.WriteFile(data+"/spoilt/.core-archive", nil, 0o600), os.WriteFile(data+"/spoilt/file", []byte("mine"), 0o600),
				os.MkdirAll(data+"/half", 0o700), os.WriteFile(data+"/half/.core-archive", []byte(digest("before")[:32]), 0o600),
				os.MkdirAll(data+"/geo", 0o700), os.WriteFile(data+"/geo/.core-archive", []byte(digest("before")), 0o600),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, b.Layout.Data(""))
			s := ensuring(t, nil, merged(t, unpacking(url, c.archive, "tar.gz", ""), c.more))
			_, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
			field := "process.ensure[0]." + cmp.Or(c.field, "url") + ": "
			var at *spec.Error
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), field) || !errors.As(err, &at) || at.File != s.File {
				t.Errorf("%v\nwant %s… %s", err, field, c.want)
			}
			if got := tree(t, b.Layout.Data("")); !slices.Equal(got, before) {
				t.Errorf("there is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
			}
			if left, err := os.ReadDir(b.Layout.Downloads()); len(left) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// After a loss of power there is the archive before or the new one: all of a tree is on
// the disk before it has its name, and what it takes the place of goes after that name
// is.
func TestEnsureExtractIsWrittenThrough(t *testing.T) {
	first := tarball(t, gz, [2]string{"a/b/c", "one"})
	second := tarball(t, gz, [2]string{"a/b/c", "two"}, [2]string{"d/", ""}, [2]string{"l", "->a"})
	b := builder(t)
	b.Client = impatient(t, fetch.Options{})
	data := b.Layout.Data("alpha")
	unpack := func(archive string) error {
		url, _ := files(t, map[string]string{"/a": archive})
		_, err := b.Build(t.Context(), ensuring(t, nil, unpacking(url, archive, "tar.gz", "")), supervisor.Instance{Name: "i"})
		return err
	}
	content := func() string {
		text, _ := os.ReadFile(data + "/geo/a/b/c")
		return string(text)
	}
	var synced []string
	full := "" // what cannot be written through
	b.Sync = func(f *os.File) error {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		name, rerr := filepath.Rel(data, path)
		if err := errors.Join(err, rerr); err != nil {
			t.Error(err)
		}
		if top, rest, _ := strings.Cut(name, "/"); name != "." {
			if top == "geo" {
				t.Errorf("%s has its name and is written through only now", name)
			}
			name = "tree/" + rest
		}
		if name == "." { // the parent: the old is whole beside the new
			name += " " + content()
			beside, _ := filepath.Glob(data + "/*/a/b/c")
			name += fmt.Sprint(" ", len(beside))
		}
		synced = append(synced, name)
		if full != "" && strings.HasPrefix(name, full) {
			return syscall.EIO
		}
		return f.Sync()
	}
	step := func(archive string, want ...string) {
		t.Helper()
		synced = nil
		if err := unpack(archive); err != nil {
			t.Fatal(err)
		}
		slices.Sort(synced[:len(synced)-1])
		if !slices.Equal(synced, want) {
			t.Errorf("written through %q, want %q", synced, want)
		}
	}
	step(first, "tree/", "tree/.core-archive", "tree/a", "tree/a/b", "tree/a/b/c", ". one 1")
	step(second, "tree/", "tree/.core-archive", "tree/a", "tree/a/b", "tree/a/b/c", "tree/d", ". two 2")
	full = "tree/a/b"
	if err := unpack(first); err == nil || !strings.Contains(err.Error(), "geo: input/output error") || content() != "two" {
		t.Errorf("with a disk that fails: %v, and there is %q", err, content())
	}
}

// Services that share a target get one tree, whole.
func TestEnsureExtractTogether(t *testing.T) {
	for range 10 {
		archive := tarball(t, gz, [2]string{"a/b", "x"}, [2]string{"c", "y"})
		url, _ := files(t, map[string]string{"/a": archive})
		b := builder(t)
		b.Client = impatient(t, fetch.Options{})
		type result struct {
			changes []string
			err     error
		}
		results := make(chan result, 6)
		for i := range cap(results) {
			entry := strings.Replace(unpacking(url, archive, "tar.gz", ""), "{shared.config.dataDir}", "{node.dir}/shared", 1)
			s := located(t, fmt.Sprintf(`{"id":"s%d","process":{"command":"true","ensure":[%s]}}`, i, entry), nil)
			go func() {
				built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
				results <- result{built.Prepared, err}
			}()
		}
		unpacked := 0
		for range cap(results) {
			r := <-results
			if r.err != nil {
				t.Error(r.err)
			}
			if slices.Contains(r.changes, "unpacked shared/geo") {
				unpacked++
			}
		}
		got := tree(t, b.Layout.Dir+"/shared")
		if want := []string{"geo/", "geo/.core-archive: " + digest(archive), "geo/a/", "geo/a/b: x", "geo/c: y"}; unpacked != 1 || !slices.Equal(got, want) {
			t.Errorf("unpacked %d times; there is %q", unpacked, got)
		}
	}
}

// What anybody packs comes to be in the target or nowhere.
func FuzzEnsureExtract(f *testing.F) {
	f.Add([]byte(tarball(f, gz, [2]string{"d/", ""}, [2]string{"d/a", "a"}, [2]string{"l", "->d"})), byte(0))
	f.Add([]byte(tarball(f, gz, [2]string{"../x", "x"})), byte(0))
	f.Add([]byte(tarball(f, xzed, [2]string{"l", "->.."}, [2]string{"l/x", "x"})), byte(1))
	f.Add([]byte(zipped(f, "../../x", "x")), byte(2))
	f.Add([]byte(zipped(f, ".core-archive", "x")), byte(2))
	var content atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content.Load().(string)) }))
	f.Cleanup(s.Close)
	client := impatient(f, fetch.Options{})
	f.Fuzz(func(t *testing.T, packed []byte, kind byte) {
		extract := []string{"tar.gz", "tar.xz", "zip"}[int(kind)%3]
		content.Store(string(packed))
		b := builder(t)
		b.Client = client
		_, err := b.Build(t.Context(), ensuring(t, nil, unpacking(s.URL, string(packed), extract, `,"maxSize":"1M"`)), supervisor.Instance{Name: "i"})
		entries, readErr := os.ReadDir(b.Layout.Data("alpha"))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err == nil && (len(entries) != 1 || entries[0].Name() != "geo") || err != nil && len(entries) > 0 {
			t.Errorf("%v, and there is %v", err, entries)
		}
		if around, err := os.ReadDir(b.Layout.Dir); err != nil || len(around) != 4 { // conf, data, downloads, logs
			t.Errorf("%v, and there is %v", err, around)
		}
		var at *spec.Error
		if err != nil && (!errors.As(err, &at) || !strings.HasPrefix(at.Field, "process.ensure[0].")) {
			t.Errorf("no field is named: %v", err)
		}
	})
}

// What is unpacked for a user is that user's, and nobody else's.
func TestEnsureExtractsForUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	archive := tarball(t, gz, [2]string{"bin/", ""}, [2]string{"bin/tool", "x"}, [2]string{"link", "->bin/tool"})
	url, _ := files(t, map[string]string{"/a": archive})
	b := builder(t)
	b.Client = impatient(t, fetch.Options{})
	for dir := b.Layout.Root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	s := located(t, `{"id":"alpha","process":{"command":"true","user":"nobody","group":"daemon","ensure":[`+unpacking(url, archive, "tar.gz", "")+`]}}`, nil)
	if _, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"}); err != nil {
		t.Fatal(err)
	}
	dir := b.Layout.Data("alpha")
	of, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(tree(t, dir), "geo/bin/tool", "geo/link", "geo/.core-archive") {
		name, _, _ = strings.Cut(strings.ReplaceAll(name, " ->", ":"), ":")
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, want := info.Sys().(*syscall.Stat_t), of.Sys().(*syscall.Stat_t)
		if want.Uid == 0 || got.Uid != want.Uid || got.Gid != want.Gid {
			t.Errorf("%s is of %d:%d, want %d:%d", name, got.Uid, got.Gid, want.Uid, want.Gid)
		}
	}
}
