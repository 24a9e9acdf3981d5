package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Locked reports whether what comes from the source is verified against a lock
// file.
func (s Source) Locked() bool {
	return s != SourceGoBuild && s != SourceSystem && s != ""
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Paths) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte{'"'}) {
		*p = Paths{""}
		return json.Unmarshal(b, &(*p)[0])
	}
	return json.Unmarshal(b, (*[]string)(p))
}

// Expand replaces {version}, {os} and {arch} in one of the dependency's texts. The
// last two are what GOOS and GOARCH call them.
func (d Dep) Expand(text, goos, goarch string) string {
	return strings.NewReplacer("{version}", d.Version, "{os}", goos, "{arch}", goarch).Replace(text)
}

// Equal reports whether two specs want the same binary.
func (d Dep) Equal(other Dep) bool { return reflect.DeepEqual(d, other) }

var (
	templateForm = lazy(`\{[^{}]*\}|[{}]`)
	lineForm     = lazy(linePattern)
)

func rejectTemplate(text string) string {
	if text == "" {
		return "empty"
	}
	if !lineForm().MatchString(text) {
		return fmt.Sprintf("found %q", shorten(text))
	}
	for _, brace := range templateForm().FindAllString(text, -1) {
		switch brace {
		case "{version}", "{os}", "{arch}":
		case "{", "}":
			return fmt.Sprintf("%q has a lone brace", shorten(text))
		default:
			return fmt.Sprintf("unknown placeholder %s", shorten(brace))
		}
	}
	return ""
}

// sample stands for any dependency where the form of a text is checked.
var sample = Dep{Version: "1"}

func rejectInner(text string) string {
	if reason := rejectTemplate(text); reason != "" {
		return reason
	}
	if p := sample.Expand(text, "os", "arch"); !filepath.IsLocal(p) || path.Clean(p) != p || p == "." || strings.Contains(p, `\`) {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectDownload(text string) string {
	if reason := rejectTemplate(text); reason != "" {
		return reason
	}
	return rejectURL(sample.Expand(text, "os", "arch"))
}

var (
	packageForm = lazy(`^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+(/[a-zA-Z0-9._~-]+)*$`)
	imageForm   = lazy(`^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
)

// checkDep finds what the form of the members alone does not show.
func (s Located) checkDep(fail func(field, want, format string, args ...any)) {
	d := s.Dep
	if d == nil {
		return
	}
	texts := map[string]string{"dep.asset": d.Asset, "dep.tag": d.Tag, "dep.url": d.URL}
	for i, p := range d.Bin {
		texts[element("dep.bin", i)] = p
	}
	if d.Source.Locked() && d.Version == "" {
		for _, field := range sortedKeys(texts) {
			if strings.Contains(texts[field], "{version}") {
				fail("dep.version", shapes["version"].want, "missing: {version} in %s stands for it", field)
				break
			}
		}
	}
	if d.Asset == "" {
		return
	}
	switch asset := d.Expand(d.Asset, "os", "arch"); d.Source {
	case SourceGoInstall:
		if !packageForm().MatchString(asset) {
			fail("dep.asset", "the path of a package, without its version, as in example.org/tool/cmd/tool", "found %q", shorten(d.Asset))
		}
	case SourceOCI:
		if !imageForm().MatchString(asset) {
			fail("dep.asset", "registry/repository without a tag, as in ghcr.io/owner/tool", "found %q", shorten(d.Asset))
		}
	case SourceFile:
		if !filepath.IsAbs(asset) && !filepath.IsLocal(asset) {
			fail("dep.asset", "an absolute path, or one below the spec's directory", "found %q", shorten(d.Asset))
		}
	case SourceGitHubRelease:
		if strings.ContainsAny(asset, `/\`) {
			fail("dep.asset", "the name of a release's asset", "found %q", shorten(d.Asset))
		}
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// rivals finds binaries of one name that two services want which may run
// together, and that are not the same.
func rivals(specs []Located) []error {
	var errs []error
	for i, s := range specs {
		if s.Dep == nil {
			continue
		}
		for _, other := range specs[:i] {
			if other.Dep != nil && other.Dep.Name == s.Dep.Name && !other.Dep.Equal(*s.Dep) && together(s.Service, other.Service) {
				errs = append(errs, s.Errorf("dep.name", "one dep for both, or another name",
					"%s wants another binary of the name %q (%s)", other.ID, s.Dep.Name, other.position("dep.name")))
			}
		}
	}
	return errs
}
