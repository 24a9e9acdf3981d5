package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"core.internal/shared/testutil/golden"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// parseFile reads settings as if from a file of that name.
func parseFile(s *Set, name string, data []byte) error {
	return s.fromFile(name, bytes.NewReader(data), s.FlagSet.Set)
}

func TestFileErrors(t *testing.T) {
	golden.Errors(t, *update, "testdata/file.txtar", func(_ *testing.T, name string, data []byte) error {
		s := newSample()
		if name == "beaten.json" {
			// What a flag beats must be right all the same.
			s.origins["bus.store"] = Origin{FromFlag, "--bus.store"}
			data = []byte(strings.Replace(string(data), "beaten", "bus.store", 1))
		}
		return parseFile(s.Set, name, data)
	})
}

func TestFileErrorsAreUsageErrors(t *testing.T) {
	file := settingsFile(t, "{\n  \"bus\": {\"store\": \"disk\"}}")
	err := newSample().Parse([]string{"--config", file}, nil)
	var usage *UsageError
	if want := file + `:2:20: field "bus.store": "disk": want one of memory, file`; !errors.As(err, &usage) || err.Error() != want {
		t.Errorf("got:  %v\nwant: %s", err, want)
	}
}

func TestFileTooLarge(t *testing.T) {
	err := parseFile(newSample().Set, "big.json", bytes.Repeat([]byte{' '}, maxFile+1))
	if want := "big.json: the file is larger than 1048576 bytes: want an object of settings"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What is slow here stops the whole package at its deadline.
func TestLargeFiles(t *testing.T) {
	for name, text := range map[string]string{
		"list":     `{"name":["a"` + strings.Repeat(`,"a"`, 250_000) + `]}`,
		"nested":   strings.Repeat(`{"bus":`, 140_000),
		"brackets": `{"zz":` + strings.Repeat(`[`, 1_000_000),
		"a name":   `{"` + strings.Repeat("bus.store", 110_000) + `":1}`,
		"lines":    strings.Repeat("\n", 1_000_000) + "x",
	} {
		s := newSample()
		err := parseFile(s.Set, "f.json", []byte(text))
		if name == "list" {
			if err != nil || len(s.names) != 250_001 {
				t.Errorf("%s: %d names, %v", name, len(s.names), err)
			}
		} else if err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: %.400v", name, err)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	s := newSample()
	if err := s.fromFile("f.json", failingReader{}, s.FlagSet.Set); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBeatenSettingsKeepTheirValue(t *testing.T) {
	s := newSample()
	file := settingsFile(t, `{"bus": {"store": "memory"}, "name": ["x"], "stop-timeout": "9s", "log.level": 9, "verbose": false}`)
	err := s.Parse([]string{"--bus.store=file", "--name=a", "--stop-timeout=2s", "--log.level=2", "--verbose", "--config", file}, nil)
	if err != nil || s.store != "file" || s.names[0] != "a" || s.wait != 2e9 || s.level != 2 || !s.verbose {
		t.Errorf("%+v, %v", s, err)
	}
	for _, setting := range s.Settings() {
		if setting.Origin.Kind != FromFlag {
			t.Errorf("%+v", setting)
		}
	}
}

// A file is taken or refused with a place; a second set that reads the same
// file has the same settings.
func FuzzFile(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/file.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(`{"bus": {"store": "file"}, "name": ["a", "b"], "stop-timeout": "1m", "log.level": -1, "verbose": true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, again := newSample(), newSample()
		err, err2 := parseFile(s.Set, "f.json", data), parseFile(again.Set, "f.json", data)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%v, then %v", err, err2)
		}
		if err != nil {
			var line, column int
			if !strings.HasPrefix(err.Error(), "f.json:") || !place(err.Error(), &line, &column) || line < 1 || column < 1 {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		if diff := cmp.Diff(s.Settings(), again.Settings()); diff != "" {
			t.Fatal(diff)
		}
		if OneOf("memory", "file")(s.store) != nil || s.wait <= 0 {
			t.Fatalf("accepted %+v", s)
		}
	})
}

func place(text string, line, column *int) bool {
	n, err := fmt.Sscanf(text, "f.json:%d:%d: ", line, column)
	return err == nil && n == 2
}
