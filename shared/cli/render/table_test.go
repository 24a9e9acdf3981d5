package render

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/ui"
)

func sample() *Table {
	t := &Table{Columns: []Column{
		{Title: "SERVICE"}, {Title: "PID", Right: true, Drop: 2}, {Title: "ADDRESS", Drop: 1}, {Title: "NOTHING"}, {Title: "REASON", Flex: true},
	}}
	t.Add(Text("alpha"), Text("7"), Text("http://alpha.localhost:8080/"))
	t.Add(Text("beta"), Text("4711"), Cell{}, Cell{}, Toned("exit status 3 after\na long day ☀️ with 漢字", ui.Bad))
	return t
}

func TestTableFitsTheTerminal(t *testing.T) {
	for width, want := range map[int]string{
		0: `
SERVICE   PID  ADDRESS                       REASON
alpha       7  http://alpha.localhost:8080/
beta     4711                                exit status 3 after a long day ☀️ with 漢字`,
		60: `
SERVICE   PID  ADDRESS                       REASON
alpha       7  http://alpha.localhost:8080/
beta     4711                                exit status 3 …`,
		50: `
SERVICE  ADDRESS                       REASON
alpha    http://alpha.localhost:8080/
beta                                   exit statu…`,
		30: `
SERVICE  REASON
alpha
beta     exit status 3 after …`,
		12: `
SERVICE  REASON
alpha
beta     exit stat…`,
	} {
		lines := sample().layout(New(io.Discard, nil), width)
		if d := cmp.Diff(strings.TrimPrefix(want, "\n"), strings.Join(lines, "\n")); d != "" {
			t.Errorf("width %d (-want +got):\n%s", width, d)
		}
	}
}

func TestEmptyTableHasTitles(t *testing.T) {
	table := &Table{Columns: []Column{{Title: "RUN"}, {Title: "STATE"}}}
	if got := table.Lines(New(io.Discard, nil)); !table.Empty() || len(got) != 1 || got[0] != "RUN  STATE" {
		t.Errorf("got %q", got)
	}
}

func TestColours(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{nil, "bad"},
		{[]string{"CLICOLOR_FORCE=1"}, "\x1b[31mbad\x1b[0m"},
		{[]string{"CLICOLOR_FORCE=0"}, "bad"},
		{[]string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, "bad"},
		{[]string{"CLICOLOR_FORCE=1", "NO_COLOR="}, "\x1b[31mbad\x1b[0m"},
	} {
		if got := New(io.Discard, c.environ).Tone(ui.Bad, "bad"); got != c.want {
			t.Errorf("%v: %q, want %q", c.environ, got, c.want)
		}
	}
	if got := New(io.Discard, []string{"CLICOLOR_FORCE=1"}).Tone(ui.Bad, ""); got != "" {
		t.Errorf("no text is coloured: %q", got)
	}
}

func TestCutAndClean(t *testing.T) {
	s := New(io.Discard, []string{"CLICOLOR_FORCE=1"})
	if got := Cut(s.Tone(ui.OK, "healthy"), 4); !strings.HasPrefix(got, "\x1b[32mhea…") || !strings.HasSuffix(got, "\x1b[0m") {
		t.Errorf("cut %q", got)
	}
	if got := Clean("a\tb\r\n\x1b[2J\u009b1m"); got != "a b  �[2J�1m" {
		t.Errorf("clean %q", got)
	}
}
