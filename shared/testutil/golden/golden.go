package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Script is one run of a script.
type Script struct {
	In  func(t *testing.T, text string) // takes a section of input
	Out func(t *testing.T) string       // what is expected in the section after it
}

// Scripts runs each testdata/*.txtar as a test of its own, anew: sections with
// the input's name are taken in, and each other one is what comes out then.
func Scripts(t *testing.T, update bool, input string, script func() Script) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive := read(t, file)
			s := script()
			for i, section := range archive.Files {
				if section.Name == input {
					s.In(t, string(section.Data))
					continue
				}
				got := s.Out(t)
				if update {
					archive.Files[i].Data = []byte(got)
				} else if diff := cmp.Diff(string(section.Data), got); diff != "" {
					t.Errorf("section %d, %s (-want +got):\n%s", i+1, section.Name, diff)
				}
			}
			if update {
				write(t, file, archive)
			}
		})
	}
}

// Errors gives each NAME.json of an archive to parse, as a test of its own: it is
// to be refused with the text of NAME.error.
func Errors(t *testing.T, update bool, file string, parse func(t *testing.T, name string, data []byte) error) {
	t.Helper()
	archive := read(t, file)
	said := map[string]string{}
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".error"); ok {
			said[name] = string(f.Data)
		}
	}
	rewritten := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".json")
		if !ok {
			continue
		}
		rewritten.Files = append(rewritten.Files, f)
		t.Run(name, func(t *testing.T) {
			err := parse(t, f.Name, f.Data)
			if err == nil {
				t.Fatal("accepted")
			}
			text := err.Error() + "\n"
			rewritten.Files = append(rewritten.Files, txtar.File{Name: name + ".error", Data: []byte(text)})
			if diff := cmp.Diff(said[name], text); !update && diff != "" {
				t.Errorf("error differs (-want +got):\n%s", diff)
			}
		})
	}
	if len(rewritten.Files) == 0 {
		t.Fatalf("%s has no .json", file)
	}
	if update {
		write(t, file, rewritten)
	}
}

func read(t *testing.T, file string) *txtar.Archive {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func write(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
