package importer

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"core.internal/shared/spec"
)

var update = flag.Bool("update", false, "rewrite testdata")

// options are those of the archives.
var options = Options{Profiles: []string{"default"}, BasePort: 5000}

// cases reads an archive: documents named CASE/FILE, and what becomes of them
// behind them as CASE.
func cases(t testing.TB, f Format) (names []string, docs map[string][]Document, want map[string]string, archive *txtar.Archive) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", string(f)+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	docs, want = map[string][]Document{}, map[string]string{}
	for _, file := range archive.Files {
		name, within, ok := strings.Cut(file.Name, "/")
		if !ok {
			want[name] = string(file.Data)
			continue
		}
		if docs[name] == nil {
			names = append(names, name)
		}
		docs[name] = append(docs[name], Document{File: within, Dir: "/srv/shop", Data: file.Data})
	}
	return names, docs, want, archive
}

// told is a result as the archives have it.
func told(t testing.TB, r Result, err error) string {
	t.Helper()
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", "\nerror: ") + "\n"
	}
	var b strings.Builder
	for _, n := range r.Notes {
		b.WriteString(n.String() + "\n")
	}
	for _, s := range r.Services {
		text, err := Encode(s.Service)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}

func TestImport(t *testing.T) {
	for _, f := range Formats() {
		t.Run(string(f), func(t *testing.T) {
			names, docs, want, archive := cases(t, f)
			rewritten := &txtar.Archive{Comment: archive.Comment}
			for _, name := range names {
				opt := options
				if name == "dotenv" {
					opt.EnvFile = "/srv/shop/.env"
				}
				result, err := Import(f, docs[name], opt)
				text := told(t, result, err)
				if !*update && text != want[name] {
					t.Errorf("%s differs (-want +got):\n%s", name, cmp.Diff(want[name], text))
				}
				promised(t, f, docs[name], result, err)
				for _, d := range docs[name] {
					rewritten.Files = append(rewritten.Files, txtar.File{Name: name + "/" + d.File, Data: d.Data})
				}
				rewritten.Files = append(rewritten.Files, txtar.File{Name: name, Data: []byte(text)})
			}
			if *update {
				if err := os.WriteFile(filepath.Join("testdata", string(f)+".txtar"), txtar.Format(rewritten), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// promised checks what holds for every import.
func promised(t testing.TB, f Format, docs []Document, r Result, err error) {
	t.Helper()
	if err != nil {
		var e *spec.Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
			t.Errorf("no error with a place: %v", err)
		}
		return
	}
	var all []spec.Located
	for _, s := range r.Services {
		text, err := Encode(s.Service)
		if err != nil {
			t.Fatal(err)
		}
		read, err := spec.ParseLocated(s.File, text)
		if err != nil {
			t.Errorf("a spec that is none: %v\n%s", err, text)
		}
		if read.Digest != s.Digest {
			t.Errorf("%s: written, it says something else", s.ID)
		}
		all = append(all, read)
	}
	if err := spec.Check(all); err != nil {
		t.Errorf("specs that cannot be beside each other: %v", err)
	}
	for _, n := range r.Notes {
		if n.Line < 1 || n.File == "" || n.Field == "" || n.Why == "" || strings.Contains(n.String(), "\n") {
			t.Errorf("an incomplete note: %#v", n)
		}
	}
}

func fuzz(f *testing.F, format Format) {
	_, docs, _, _ := cases(f, format)
	for _, list := range docs {
		for _, d := range list {
			f.Add(d.Data)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		docs := []Document{{File: "some.service", Dir: "/srv/{shop}", Data: b}}
		if format == Systemd {
			docs = append(docs, Document{File: "some.timer", Dir: "/srv", Data: b})
		}
		result, err := Import(format, docs, options)
		promised(t, format, docs, result, err)
	})
}

func FuzzProcfile(f *testing.F)       { fuzz(f, Procfile) }
func FuzzProcessCompose(f *testing.F) { fuzz(f, ProcessCompose) }
func FuzzSupervisord(f *testing.F)    { fuzz(f, Supervisord) }
func FuzzSystemd(f *testing.F)        { fuzz(f, Systemd) }
func FuzzCompose(f *testing.F)        { fuzz(f, Compose) }
