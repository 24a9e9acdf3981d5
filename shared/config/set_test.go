package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a set with a setting of every kind.
type sample struct {
	*Set
	store   string
	names   Strings
	wait    time.Duration
	level   int
	verbose bool
}

func newSample() *sample {
	s := &sample{Set: New("sample")}
	s.CheckedVar(&s.store, "bus.store", "memory", "where", OneOf("memory", "file"))
	s.CheckedStringsVar(&s.names, "name", Strings{"first"}, "names", checkToken)
	s.PositiveVar(&s.wait, "stop-timeout", time.Second, "how long")
	s.IntVar(&s.level, "log.level", 3, "how much")
	s.BoolVar(&s.verbose, "verbose", false, "say more")
	return s
}

func settingsFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "core.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func origins(s *Set) map[string]string {
	m := map[string]string{}
	for _, setting := range s.Settings() {
		m[setting.Name] = setting.Value + " from " + setting.Origin.String()
	}
	return m
}

func TestPrecedence(t *testing.T) {
	file := settingsFile(t, `{
	"bus": {"store": "memory"},
	"name": ["a", "b"],
	"log.level": 7,
	"stop-timeout": "3s",
	"verbose": true
}`)
	s := newSample()
	err := s.Parse(
		[]string{"one", "--bus.store", "file", "two", "-stop-timeout=5s", "--", "--verbose", "-x"},
		[]string{"CORE_BUS_STORE=memory", "CORE_STOP_TIMEOUT=4s", "CORE_LOG_LEVEL=8", "CORE_LOG_LEVEL=9", "CORE_OTHER=1", "CORE_CONFIG=" + file, "HOME=x", "noise"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"config":       file + " from env CORE_CONFIG",
		"bus.store":    "file from flag --bus.store",
		"stop-timeout": "5s from flag --stop-timeout",
		"log.level":    "9 from env CORE_LOG_LEVEL",
		"name":         "a,b from file " + file + ":3",
		"verbose":      "true from file " + file + ":6",
	}
	if diff := cmp.Diff(want, origins(s.Set)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "--verbose", "-x"}, s.Args()); diff != "" || s.NArg() != 4 || s.Arg(1) != "two" || s.Arg(4) != "" {
		t.Errorf("arguments: %s", diff)
	}
	if s.store != "file" || s.wait != 5*time.Second || s.level != 9 || !s.verbose || !cmp.Equal(s.names, Strings{"a", "b"}) {
		t.Errorf("values: %+v", s)
	}
}

func TestDefaultsStay(t *testing.T) {
	s := newSample()
	if err := s.Parse(nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, setting := range s.Settings() {
		if setting.Origin != (Origin{Kind: FromDefault}) || setting.Value != setting.Default {
			t.Errorf("%+v", setting)
		}
	}
	if s.Args() != nil {
		t.Errorf("arguments %q", s.Args())
	}
}

func TestLists(t *testing.T) {
	for _, test := range []struct {
		args, environ []string
		file          string
		want          string
	}{
		{nil, nil, `{}`, "first"},
		{[]string{"--name", "a", "--name=b,c"}, []string{"CORE_NAME=x"}, `{"name": "y"}`, "a,b,c"},
		{nil, []string{"CORE_NAME=a, b,,"}, `{"name": ["y"]}`, "a,b"},
		{nil, []string{"CORE_NAME="}, `{"name": ["y"]}`, ""},
		{nil, nil, `{"name": "y"}`, "y"},
		{nil, nil, `{"name": []}`, ""},
		{nil, nil, `{"name": ["y", "z"]}`, "y,z"},
	} {
		s := newSample()
		err := s.Parse(append(test.args, "--config", settingsFile(t, test.file)), test.environ)
		if got := strings.Join(s.names, ","); err != nil || got != test.want {
			t.Errorf("%q %q %s: %q, %v, want %q", test.args, test.environ, test.file, got, err, test.want)
		}
	}
}

func TestArguments(t *testing.T) {
	s := newSample()
	if err := s.Parse([]string{"--name", "--", "--verbose"}, nil); err != nil || !cmp.Equal(s.names, Strings{"--"}) || !s.verbose {
		t.Errorf("what follows --name is its value: %q, %v", s.names, err)
	}
	s = newSample()
	if err := s.Parse([]string{"-", "--verbose", "x", "", "--name", "a", "--", "--", "y"}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"-", "x", "", "--", "y"}, s.Args()); diff != "" || !s.verbose {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		s := newSample()
		asked := 0
		s.Usage = func() { asked++ }
		if err := s.Parse([]string{"x", arg}, nil); !errors.Is(err, flag.ErrHelp) || asked != 1 {
			t.Errorf("%s: %v, asked %d times", arg, err, asked)
		}
	}
	if err := New("plain").Parse([]string{"-h"}, nil); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--bus.stor=file"}, nil, "unknown flag --bus.stor: did you mean --bus.store?"},
		{[]string{"x", "--verbsoe"}, nil, "unknown flag --verbsoe: did you mean --verbose?"},
		{[]string{"--Verbose"}, nil, "unknown flag --Verbose: did you mean --verbose?"},
		{[]string{"-zzzzzzzzz"}, nil, "unknown flag --zzzzzzzzz: see --help"},
		{[]string{"---verbose"}, nil, "unknown flag ---verbose: did you mean --verbose?"},
		{[]string{"--=x"}, nil, "unknown flag --: see --help"},
		{[]string{"--name"}, nil, "flag --name: needs a value: names"},
		{[]string{"--name", "a b"}, nil, `flag --name="a b": want 1 to 64 letters, digits, '-' or '_'`},
		{[]string{"--bus.store", "disk"}, nil, `flag --bus.store="disk": want one of memory, file`},
		{[]string{"--stop-timeout", "5"}, nil, `flag --stop-timeout="5": want a duration of more than 0, as in "1.5s" or "2m"`},
		{[]string{"--stop-timeout", "-5s"}, nil, `flag --stop-timeout="-5s": want a duration of more than 0, as in "1.5s" or "2m"`},
		{[]string{"--log.level", "high"}, nil, `flag --log.level="high": want a whole number`},
		{[]string{"--verbose=maybe"}, nil, `flag --verbose="maybe": want true or false`},
		{[]string{"--bus.store", "disk", "x", "--log.level=y"}, []string{"CORE_VERBOSE=z"},
			"flag --bus.store=\"disk\": want one of memory, file\nflag --log.level=\"y\": want a whole number\nvariable CORE_VERBOSE=\"z\": want true or false"},
		{nil, []string{"CORE_BUS_STORE=disk"}, `variable CORE_BUS_STORE="disk": want one of memory, file`},
		{nil, []string{"CORE_LOG_LEVEL=", "CORE_VERBOSE=maybe"}, "variable CORE_LOG_LEVEL=\"\": want a whole number\nvariable CORE_VERBOSE=\"maybe\": want true or false"},
		{[]string{"--config", "/does/not/exist.json"}, nil, "read settings from /does/not/exist.json (flag --config): no such file or directory"},
		{nil, []string{"CORE_CONFIG=/does/not/exist.json"}, "read settings from /does/not/exist.json (env CORE_CONFIG): no such file or directory"},
		{[]string{"--config", "/"}, nil, "read settings from / (flag --config): is a directory"},
	} {
		t.Run(fmt.Sprint(test.args, test.environ), func(t *testing.T) {
			err := newSample().Parse(test.args, test.environ)
			var usage *UsageError
			if !errors.As(err, &usage) || err.Error() != test.want {
				t.Errorf("got:  %v\nwant: %s", err, test.want)
			}
		})
	}
}

func TestPasswordsStayOut(t *testing.T) {
	for _, url := range []string{
		"nats://me:secret@127.0.0.1", "nats://a,nats://me:secret@b", "me:secret@127.0.0.1:4222", "nats://me:sec%zzret@b", "nats://secret@b",
		"nats://me:sec/secret@b", "nats://me:s@secret@b",
	} {
		var n Node
		s := New("sample")
		n.Register(s)
		n.BusURL = url
		for _, err := range []error{
			s.Parse([]string{"--bus.url", url}, nil), n.Validate(),
			s.fromFile("f.json", strings.NewReader(fmt.Sprintf(`{"bus.url": %q}`, url)), s.FlagSet.Set),
		} {
			if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "xxxxx@") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"enable", "disable", "status", "up", "down", "bus.store"}
	for word, want := range map[string]string{
		"enabel": "enable", "stats": "status", "staus": "status", "dwon": "down", "bus-store": "bus.store", "busstore": "bus.store",
		"pu": "up", "u": "", "x": "", "": "", "xy": "", "restart": "", "zzzzzz": "", "disabled": "disable",
	} {
		if got := Suggest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Suggest("aaaa", []string{"aaab", "aaac"}); got != "aaab" {
		t.Errorf("of two as near it is %q", got)
	}
	if got := Suggest("x", nil); got != "" {
		t.Errorf("of none it is %q", got)
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "abc"}: 3, {"abc", ""}: 3, {"abc", "abc"}: 0, {"abc", "acb"}: 1, {"abc", "abd"}: 1, {"abc", "ab"}: 1, {"kitten", "sitting"}: 3,
	} {
		if got := distance(pair[0], pair[1]); got != want || distance(pair[1], pair[0]) != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}
