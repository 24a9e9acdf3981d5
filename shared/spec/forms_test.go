package spec

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0d": 0, "5s": 5 * time.Second, "1.5s": 1500 * time.Millisecond, ".5s": 500 * time.Millisecond,
		"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "1d0": 24 * time.Hour, "106751d": 106751 * day, "2h45m": 165 * time.Minute,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	const form = `: want a number with a unit, as in "500ms", "5s", "12h" or "7d"`
	for text, want := range map[string]string{
		"": form, "d": form, "5": form, "-5s": form, "+5s": form, "+1d": form, "1d-5s": form, "1d+5s": form, "1.5d": form, "1d1d": form, "5 s": form, "7days": form,
		"106752d": ": more than 106751 days", "106751d24h": ": more than 106751 days", "99999999999d": form, "9999999999h": form,
	} {
		_, err := ParseDuration(text)
		if full := `duration "` + text + `"` + want; err == nil || err.Error() != full {
			t.Errorf("%q: got %v, want %s", text, err, full)
		}
	}
}

var durationForm = regexp.MustCompile(durationPattern)

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"0", "5s", "7d", "1d12h", "1.5h", "-1s", "106751d23h", "d", "1d1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q: %v", text, d)
		}
		again, err := ParseDuration(Duration(d).String())
		if err != nil || again != d {
			t.Fatalf("%q: %v, then %v, %v", text, d, again, err)
		}
		if !durationForm.MatchString(text) {
			t.Fatalf("%q is refused by the schema's pattern", text)
		}
	})
}

func TestParseMatch(t *testing.T) {
	for text, want := range map[string]match{
		"host(`a`)":                 {"host", []string{"a"}},
		"host( `a` , `*.b.c` )":     {"host", []string{"a", "*.b.c"}},
		"host(`127.0.0.1`)":         {"host", []string{"127.0.0.1"}},
		"path(`/*`)":                {"path", []string{"/*"}},
		"path(`/a b*`)":             {},
		"path(`/a/*`,`/ü*`)":        {"path", []string{"/a/*", "/ü*"}},
		"host(`a`":                  {},
		"host()":                    {},
		"host(``)":                  {},
		"host(`a`,)":                {},
		"host(`a``b`)":              {},
		"host(`a`, `a`)":            {},
		"host(`a.`)":                {},
		"host(`-a`)":                {},
		"host(`a b`)":               {},
		"host(`*`)":                 {},
		"host(`a*.b`)":              {},
		"path(`x*`)":                {},
		"path(`/a*b*`)":             {},
		"path(`/a?b*`)":             {},
		" host(`a`)":                {},
		"header(`a`)":               {},
		"host(`a`) && path(`/x/*`)": {},
	} {
		got, err := parseMatch(text)
		if (err == nil) != (want.kind != "") || err == nil && !cmp.Equal(got, want, cmp.AllowUnexported(match{})) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"host(`a`)", "path(`/x/*`, `/y*`)", "host(", "host(`a`,`b`)", "host(`*.a`)"} {
		f.Add(s)
	}
	pattern := regexp.MustCompile(shapes["match"].pattern)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMatch(text)
		if err != nil {
			return
		}
		if len(m.values) == 0 || m.kind != "host" && m.kind != "path" {
			t.Fatalf("%q: %v", text, m)
		}
		if !pattern.MatchString(text) {
			t.Fatalf("%q is refused by the schema's pattern", text)
		}
	})
}

// What Parse accepts can be written and read again, gives the same digest, and
// either resolves or says where it does not.
func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/redis.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	archive, err := txtar.ParseFile("testdata/parse.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseLocated("f.json", b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.File != "f.json" || e.Line < 1 || e.Column < 1 {
				t.Fatalf("no place: %#v", err)
			}
			return
		}
		written, err := json.Marshal(s.Service)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLocated("f.json", written)
		if err != nil {
			t.Fatalf("its own output is refused: %v\n%s", err, written)
		}
		if again.Digest != s.Digest {
			t.Fatalf("another digest:\n%s", cmp.Diff(s.Service, again.Service))
		}
		if r, err := s.Resolve(vars); err == nil {
			r.EventRoutes()
		}
	})
}
