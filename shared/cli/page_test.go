package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/cli/render"
	"core.internal/shared/ui"
)

// everything is the page of package ui's own test: one of everything.
func everything(t *testing.T) ui.Page {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "ui", "testdata", "page.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p ui.Page
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", name, d)
	}
}

func TestPageAsText(t *testing.T) {
	page := everything(t)
	plain := render.New(io.Discard, nil)
	golden(t, "status.txt", strings.Join(pageLines(plain, page), "\n")+"\n")
	coloured := render.New(io.Discard, []string{"CLICOLOR_FORCE=1"})
	text := strings.Join(pageLines(coloured, page), "\n") + "\n"
	golden(t, "status.ansi", strings.ReplaceAll(text, "\x1b", "^["))
	for _, l := range strings.Split(text, "\n") {
		if strings.HasSuffix(l, " ") {
			t.Errorf("line %q ends with a space", l)
		}
	}
}

func TestChanges(t *testing.T) {
	before, after := everything(t), everything(t)
	if lines := changes(before, after); len(lines) > 0 {
		t.Errorf("nothing changed, but: %q", lines)
	}
	after.Node.Summary = "2 of 3 services healthy"
	after.Services[1].State, after.Services[1].Reason, after.Services[1].PID = ui.Badge{Text: "running", Tone: ui.OK}, "", 99
	after.Services[0].Age = "9m 9s"
	after.Routes = after.Routes[:2]
	want := []string{
		"node local  degraded, 2 of 3 services healthy",
		"service beta  running, pid 99",
		"route omega  gone",
	}
	if d := cmp.Diff(want, changes(before, after)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

// A hostile reason cannot steer the terminal.
func TestTextOfOthersIsHarmless(t *testing.T) {
	page := everything(t)
	page.Services[0].Reason = "\x1b[2J\x1b]0;owned\x07\nsecond line"
	page.Alerts[0].Lines = []string{"\x1b[31mred\r"}
	text := strings.Join(pageLines(render.New(io.Discard, nil), page), "\n")
	if strings.ContainsAny(text, "\x1b\x07\r") || strings.Contains(text, "\nsecond line") {
		t.Errorf("control characters reach the terminal:\n%q", text)
	}
}
