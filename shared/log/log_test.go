package log

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"core.internal/shared/events"
)

var when = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.+Z-]+`)

// write logs one line of each level and returns what was written.
func write(t *testing.T, o Options) string {
	t.Helper()
	var b bytes.Buffer
	l, err := New(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	l.Debug("d")
	l.Info("i", Service, "alpha", Instance, "x1", Stage, "bus", Subject, "core.event", Sequence, 7, Error, errors.New("two\nlines"))
	l.Warn("w")
	l.Error("e")
	return when.ReplaceAllString(b.String(), "TIME")
}

func TestFormats(t *testing.T) {
	o := Options{Source: events.Procd, Node: "local"}
	const asJSON = `{"time":"TIME","level":"INFO","msg":"i","node":"local","source":"procd","service":"alpha","instance":"x1","stage":"bus","subject":"core.event","seq":7,"error":"two\nlines"}
{"time":"TIME","level":"WARN","msg":"w","node":"local","source":"procd"}
{"time":"TIME","level":"ERROR","msg":"e","node":"local","source":"procd"}
`
	const asText = `time=TIME level=INFO msg=i node=local source=procd service=alpha instance=x1 stage=bus subject=core.event seq=7 error="two\nlines"
time=TIME level=WARN msg=w node=local source=procd
time=TIME level=ERROR msg=e node=local source=procd
`
	for format, want := range map[string]string{"": asJSON, "auto": asJSON, "json": asJSON, "text": asText} {
		o.Format = format
		if got := write(t, o); got != want {
			t.Errorf("format %q:\ngot  %swant %s", format, got, want)
		}
	}
}

func TestNoOneInParticular(t *testing.T) {
	if got := write(t, Options{Level: "error", Format: "text"}); got != "time=TIME level=ERROR msg=e\n" {
		t.Errorf("got %s", got)
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "": 3, "warn": 2, "error": 1} {
		if got := strings.Count(write(t, Options{Level: level}), "\n"); got != want {
			t.Errorf("level %q: %d lines, want %d", level, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Level: "loud"}, `log level "loud": want debug, info, warn or error`},
		{Options{Level: "INFO"}, `log level "INFO": want debug, info, warn or error`},
		{Options{Level: "info+2"}, `log level "info+2": want debug, info, warn or error`},
		{Options{Format: "xml"}, `log format "xml": want auto, text or json`},
	} {
		if l, err := New(io.Discard, test.options); err == nil || err.Error() != test.want || l != nil {
			t.Errorf("got %v, %v, want %s", l, err, test.want)
		}
	}
}

// Only a terminal gets text by itself: neither a file nor the null device is one.
func TestAutoOnFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []*os.File{f, null} {
		l, err := New(w, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.Handler().(*slog.JSONHandler); !ok {
			t.Errorf("%s: %T", w.Name(), l.Handler())
		}
	}
}
