package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func depSpec(members string) string {
	return `{"id": "a", "process": {"command": "x"}, "dep": {"name": "tool", ` + members + `}}`
}

// What each source takes is taken by the schema too.
func TestDepForms(t *testing.T) {
	schema := compileSchema(t)
	for members, want := range map[string]Dep{
		`"source": "github-release", "version": "1.2", "asset": "tool-{version}-{os}-{arch}.tar.gz", "repo": "o/n", "tag": "release-{version}", "bin": "tool-{version}/tool"`: {
			Source: SourceGitHubRelease, Version: "1.2", Asset: "tool-{version}-{os}-{arch}.tar.gz", Repo: "o/n", Tag: "release-{version}", Bin: Paths{"tool-{version}/tool"}},
		`"source": "http", "url": "https://example.org:8443/a/{os}/tool?x=1", "bin": ["bin/a", "bin/b"]`: {
			Source: SourceHTTP, URL: "https://example.org:8443/a/{os}/tool?x=1", Bin: Paths{"bin/a", "bin/b"}},
		`"source": "file", "asset": "vendor/tool.zip"`:                                              {Source: SourceFile, Asset: "vendor/tool.zip"},
		`"source": "file", "asset": "/opt/tool"`:                                                    {Source: SourceFile, Asset: "/opt/tool"},
		`"source": "go-install", "version": "v1.0.0", "asset": "example.org/m/v2/cmd/tool"`:         {Source: SourceGoInstall, Version: "v1.0.0", Asset: "example.org/m/v2/cmd/tool"},
		`"source": "oci", "version": "1.2", "asset": "127.0.0.1:5000/team/tool-{os}", "bin": "a/b"`: {Source: SourceOCI, Version: "1.2", Asset: "127.0.0.1:5000/team/tool-{os}", Bin: Paths{"a/b"}},
	} {
		want.Name = "tool"
		text := depSpec(members)
		s, err := Parse("a.json", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			continue
		}
		if diff := cmp.Diff(want, *s.Dep); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if err := validate(schema, []byte(text)); err != nil {
			t.Errorf("%s: the schema: %v", members, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("a.json", b)
		if err == nil && !again.Dep.Equal(*s.Dep) {
			t.Errorf("%s: written and read again: %+v", members, again.Dep)
		}
	}
}

func TestDepRefuses(t *testing.T) {
	for members, want := range map[string]string{
		`"source": "http"`: `dep.url: missing: it is required where source is "http"`,
		`"source": "http", "url": "ftp://example.org/x"`:                            `dep.url: found "ftp://example.org/x": want an http or https URL`,
		`"source": "http", "url": "https://me:secret@example.org/x"`:                `dep.url: the URL has a user or a password`,
		`"source": "http", "url": "https://example.org/{version}"`:                  `dep.version: missing: {version} in dep.url stands for it`,
		`"source": "http", "url": "https://example.org/{cpu}"`:                      `dep.url: unknown placeholder {cpu}`,
		`"source": "http", "url": "https://example.org/x", "asset": "x"`:            `dep.asset: not for source "http"`,
		`"source": "http", "url": "https://example.org/x", "repo": "a/b"`:           `dep.repo: not for source "http"`,
		`"source": "http", "url": "https://example.org/x", "bin": "../x"`:           `dep.bin: found "../x": want a path inside the archive`,
		`"source": "http", "url": "https://example.org/x", "bin": ["a", "/b"]`:      `dep.bin[1]: found "/b": want a path inside the archive`,
		`"source": "http", "url": "https://example.org/x", "bin": []`:               `dep.bin: the list is empty`,
		`"source": "http", "url": "https://example.org/x", "bin": 1`:                `dep.bin: found a number: want an array`,
		`"source": "system", "bin": "x"`:                                            `dep.bin: not for source "system"`,
		`"source": "github-release", "asset": "x"`:                                  `dep.version: missing: it is required where source is "github-release"`,
		`"source": "github-release", "version": "1"`:                                `dep.asset: missing`,
		`"source": "github-release", "version": "1/2", "asset": "x"`:                `dep.version: found "1/2"`,
		`"source": "github-release", "version": "1", "asset": "a/b"`:                `dep.asset: found "a/b": want the name of a release's asset`,
		`"source": "github-release", "version": "1", "asset": "a{"`:                 `dep.asset: "a{" has a lone brace`,
		`"source": "github-release", "version": "1", "asset": "x", "repo": "a/b/c"`: `dep.repo: found "a/b/c": want a repository`,
		`"source": "go-install", "version": "1", "asset": "cmd/tool"`:               `dep.asset: found "cmd/tool": want the path of a package`,
		`"source": "go-install", "version": "1", "asset": "example.org/x@v1"`:       `dep.asset: found "example.org/x@v1"`,
		`"source": "oci", "version": "1", "asset": "tool"`:                          `dep.asset: found "tool": want registry/repository`,
		`"source": "oci", "version": "1", "asset": "ghcr.io/a/b:1"`:                 `dep.asset: found "ghcr.io/a/b:1"`,
		`"source": "file", "asset": "../x"`:                                         `dep.asset: found "../x": want an absolute path, or one below the spec's directory`,
	} {
		_, err := Parse("a.json", []byte(depSpec(members)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", members, err, want)
		}
	}
}

func TestRivals(t *testing.T) {
	with := func(id, version, profiles string) Located {
		return service(t, id, `"profiles": [`+profiles+`], "dep": {"name": "tool", "source": "http", "version": "`+version+`", "url": "https://example.org/x"}`)
	}
	err := Check([]Located{with("a", "1", `"p"`), with("b", "2", `"p", "q"`), with("c", "1", `"p"`), with("d", "3", `"r"`)})
	want := []string{`b.json:1:`, `dep.name: a wants another binary of the name "tool" (a.json:1:`, `dep.name: b wants another binary`}
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v, want %s", err, w)
		}
	}
	if err != nil && strings.Contains(err.Error(), "d.json") {
		t.Errorf("services that never run together are no rivals: %v", err)
	}
}

func TestDepExpand(t *testing.T) {
	d := Dep{Version: "{os}"} // a version cannot say that, and would be left alone
	if got := d.Expand("a-{version}-{os}-{arch}-{x}", "linux", "arm64"); got != "a-{os}-linux-arm64-{x}" {
		t.Error(got)
	}
}

// A template that is accepted has no braces once it is expanded.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a-{version}", "{os}/{arch}", "{", "{{os}}", "a}b{", "{x}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if rejectTemplate(text) != "" {
			if rejectInner(text) == "" || rejectDownload(text) == "" {
				t.Errorf("%q is no template, and a path or URL", text)
			}
			return
		}
		out := sample.Expand(text, "linux", "amd64")
		if strings.ContainsAny(out, "{}") {
			t.Errorf("%q becomes %q", text, out)
		}
		if rejectInner(text) == "" && slices.Contains(strings.Split(out, "/"), "..") {
			t.Errorf("%q leads out", text)
		}
	})
}
