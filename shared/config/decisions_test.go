package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
)

func decisionsIn(t *testing.T) Layout {
	t.Helper()
	l := Node{Name: "test", Root: t.TempDir()}.Layout()
	if err := os.Mkdir(l.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDecisions(t *testing.T) {
	l := decisionsIn(t)
	d, err := ReadDecisions(l)
	if err != nil || len(d.Services) != 0 || d.Services == nil || !d.Written.IsZero() {
		t.Fatalf("of no file: %+v, %v", d, err)
	}
	yes, no := true, false
	d.Boot = "b"
	d.Services["alpha"] = Decision{Enabled: &no, By: events.Operator, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	d.Services["beta"] = Decision{Running: &yes}
	if err := WriteDecisions(l, d); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDecisions(l)
	if err != nil || time.Since(got.Written).Abs() > time.Minute {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Written = time.Time{}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Error(diff)
	}
	want := `{
  "version": 1,
  "boot": "b",
  "services": {
    "alpha": {
      "enabled": false,
      "by": "operator",
      "at": "2026-03-01T12:00:00Z"
    },
    "beta": {
      "running": true
    }
  }
}
`
	if b, _ := os.ReadFile(l.Decisions()); string(b) != want {
		t.Errorf("the file is %s", b)
	}
	if info, err := os.Stat(l.Decisions()); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(l.Dir, ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	for id, tt := range map[events.Entity][2]bool{"alpha": {false, false}, "beta": {true, false}, "gamma": {true, false}} {
		if d := got.Services[id]; d.Wants(true) != tt[0] || d.Wants(false) != tt[1] {
			t.Errorf("%s: %t in a profile, %t in none", id, d.Wants(true), d.Wants(false))
		}
	}
}

// A file that is no good is an error that names it and what to do.
func TestDecisionsRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "is not understood: unexpected end of JSON input",
		`{"version":1,"services"`:             "is not understood: unexpected end of JSON input",
		`[]`:                                  "is not understood: json: cannot unmarshal array into Go value of type",
		`{}`:                                  "has version 0, and this release knows 1",
		`{"version":2,"more":true}`:           "has version 2, and this release knows 1",
		`{"version":1,"service":{}}`:          `is not understood: json: unknown field "service"`,
		`{"version":1,"services":{"a.b":{}}}`: `is not understood: service "a.b": `,
		`{"version":1,"services":{"alpha":{"enabled":"no"}}}`: "is not understood: json: cannot unmarshal string into",
	} {
		l := decisionsIn(t)
		if err := os.WriteFile(l.Decisions(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, l, want)
	}
	l := decisionsIn(t)
	if err := os.Mkdir(l.Decisions(), 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, l, "cannot be read: is a directory")
	if err := WriteDecisions(l, Decisions{}); err == nil || !strings.HasPrefix(err.Error(), "write "+l.Decisions()+": file exists: see who") {
		t.Error(err)
	}
}

func refused(t *testing.T, l Layout, want string) {
	t.Helper()
	d, err := ReadDecisions(l)
	var bad *DecisionsError
	if !errors.As(err, &bad) || bad.File != l.Decisions() || len(d.Services) > 0 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if got := err.Error(); !strings.HasPrefix(got, "what operators decided: "+l.Decisions()+" "+want) || !strings.HasSuffix(got, ": "+bad.Fix()) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithoutPath(t *testing.T) {
	for _, err := range []error{&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, &os.LinkError{Op: "rename", Old: "/x", New: "/y", Err: fs.ErrPermission}, fs.ErrPermission} {
		if got := withoutPath(err); got != fs.ErrPermission {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

func FuzzDecisions(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot":"b","services":{"alpha":{"enabled":false,"by":"operator","at":"2026-03-01T12:00:00Z"},"beta":{"running":true}}}`))
	f.Add([]byte(`{"version":1,"services":{"":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDecisions(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseDecisions(again)
		if err != nil || !cmp.Equal(d, same) {
			t.Errorf("%s\nis read as %+v, %v\nwas %+v", again, same, err, d)
		}
	})
}
