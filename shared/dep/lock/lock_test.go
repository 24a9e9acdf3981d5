package lock

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func sampleFile() File {
	var f File
	f.Set("redis@7.2.4 from github-release", "o/n v{version} asset", "linux/amd64", Asset{URL: "https://example.org/x", Size: 3, SHA256: hash})
	f.Set("redis@7.2.4 from github-release", "o/n v{version} asset", "darwin/arm64", Asset{URL: "https://example.org/y", Size: 4, SHA256: hash})
	f.Set("a@1 from oci", "example.org/a", "linux/amd64", Asset{URL: "https://example.org/v2/a/manifests/sha256:" + hash, Size: 3, SHA256: hash, Digest: "sha256:" + hash})
	f.Set("b@v1.0.0 from go-install", "example.org/b", "linux/amd64", Asset{Module: "example.org/b@v1.0.0", Sum: "h1:" + strings.Repeat("A", 43) + "="})
	f.Set("c@ from file", "x.zip", "linux/amd64", Asset{Size: 1, SHA256: hash})
	return f
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", Name)
	empty, err := Read(path)
	if err != nil || len(empty.Deps) != 0 {
		t.Fatalf("a file that is not there: %+v %v", empty, err)
	}
	f := sampleFile()
	if err := Write(path, f); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(before, []byte("{\n  \"version\": 1,\n  \"deps\": {\n    \"a@1 from oci\": {\n")) {
		t.Errorf("not sorted:\n%s", before)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Version = Version
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := Write(path, got); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("the same locks gave other bytes:\n%s", after)
	}
}

// What was locked holds for the origin it was locked for, and for its platform.
func TestFind(t *testing.T) {
	f := sampleFile()
	id := "redis@7.2.4 from github-release"
	if a, ok := f.Find(id, "o/n v{version} asset", "darwin/arm64"); !ok || a.Size != 4 {
		t.Errorf("%+v %v", a, ok)
	}
	for _, q := range [][3]string{{id, "o/n v{version} asset", "linux/arm64"}, {id, "other/n", "linux/amd64"}, {"x", "", "linux/amd64"}} {
		if a, ok := f.Find(q[0], q[1], q[2]); ok {
			t.Errorf("%v: %+v", q, a)
		}
	}
	f.Set(id, "new origin", "linux/amd64", Asset{SHA256: hash})
	if n := len(f.Deps[id].Platforms); n != 1 {
		t.Errorf("%d platforms: what was locked for another origin stayed", n)
	}
}

func TestDecodeRefuses(t *testing.T) {
	asset := func(members string) string {
		return `{"version": 1, "deps": {"a": {"origin": "o", "platforms": {"linux/amd64": {` + members + `}}}}}`
	}
	sum := `"sha256": "` + hash + `"`
	for text, want := range map[string]string{
		``:                                   "EOF",
		`{}`:                                 "version 0: want 1",
		`{"version": 2, "deps": {}}`:         "version 2: want 1",
		`{"version": 1, "deps": {}} x`:       "",
		`{"version": 1, "deps": {}, "x": 1}`: "x",
		`{"version": 1, "version": 1, "deps": {}}`:                                   "version",
		`{"Version": 1, "deps": {}}`:                                                 "Version",
		`{"version": 1, "deps": {"a": {"origin": "o"}}}`:                             `deps["a"].platforms: missing`,
		`{"version": 1, "deps": {"a": {"platforms": {}}}}`:                           `deps["a"].origin`,
		`{"version": 1, "deps": {"": {}}}`:                                           `"" is no id`,
		`{"version": 1, "deps": {"a": {"origin": "o", "platforms": {"linux": {}}}}}`: `deps["a"].platforms: found "linux": want one as in "linux/amd64"`,
		asset(``):                `deps["a"].platforms["linux/amd64"].sha256: found ""`,
		asset(`"sha256": "ABC"`): `sha256: found "ABC": want 64 hexadecimal digits`,
		asset(`"sha256": "` + strings.ToUpper(hash) + `"`):                              `sha256: found`,
		asset(sum + `, "size": -1`):                                                     `size: found -1`,
		asset(sum + `, "size": "1"`):                                                    ``,
		asset(sum + `, "url": "ftp://x/y"`):                                             `url: want an http or https URL`,
		asset(sum + `, "url": "https://me:pw@x/y"`):                                     `url: it has a user or a password`,
		asset(sum + `, "digest": "sha256:00"`):                                          `digest: found "sha256:00"`,
		asset(sum + `, "digest": "sha256:` + hash + `"`):                                `url: missing`,
		asset(`"module": "example.org/a@v1"`):                                           `sum: found ""`,
		asset(`"sum": "h1:x"`):                                                          `module: found ""`,
		asset(sum + `, "module": "a@v1", "sum": "h1:` + strings.Repeat("A", 43) + `="`): `module: an asset is a module or a download`,
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), Name)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "lock file "+path+": ") {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	b, err := Encode(sampleFile())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version": 1, "deps": {}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Decode(b)
		if err != nil {
			return
		}
		out, err := Encode(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("%v of what was encoded:\n%s", err, out)
		}
		if diff := cmp.Diff(file, again); diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}
