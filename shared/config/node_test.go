package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"core.internal/shared/events"
)

func TestDefault(t *testing.T) {
	want := Node{
		Name: "local", Root: ".core", Profiles: Strings{"default"}, BusListen: "127.0.0.1:4222", BusStore: "memory",
		EdgeListen: "127.0.0.1:8080", DepGitHub: "https://github.com", MetricsListen: "127.0.0.1:0", LogLevel: "info", LogFormat: "auto",
		StageTimeout: 30 * time.Second, StopTimeout: 10 * time.Second, SpecsWatch: true, SpecsApply: "auto",
	}
	if diff := cmp.Diff(want, Default()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// A process that gets Environ has the same settings, each of them.
func TestEnvironRoundTrip(t *testing.T) {
	n := Node{
		Name: "a", Root: "/r", Profiles: Strings{"p", "q"}, Specs: Strings{"/s", "/t"}, SpecsWatch: true, SpecsApply: "manual", Workspace: "/w",
		BusURL: "nats://127.0.0.1:1", BusListen: "127.0.0.1:2", BusStore: "file", BusSync: "always", BusSeedFile: "/k",
		EdgeListen: "[::1]:3", DepGitHub: "http://127.0.0.1:5/api/v3", DepMirrors: Strings{"https://a/=http://b/", "https://c=https://d"}, DepOffline: true, MetricsListen: "localhost:4", LogLevel: "debug", LogFormat: "json",
		StageTimeout: 5 * time.Second, StopTimeout: 6 * time.Second, Stage: "bus", Boot: "b",
	}
	for i, v := 0, reflect.ValueOf(n); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("this test leaves %s out", v.Type().Field(i).Name)
		}
	}
	for _, n := range []Node{n, Default(), {Name: "x", Root: "/r"}} {
		n.Root = absolute(n.Root)
		if n.StageTimeout == 0 { // an incomplete one: only its lists are of interest
			d := Default()
			d.Root, d.Profiles = n.Root, nil
			n = d
		}
		var got Node
		set := New("copy")
		got.Register(set)
		if err := set.Parse(nil, n.Environ()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestEnvironHasAbsolutePaths(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	n := Default()
	n.Specs, n.Workspace, n.BusSeedFile = Strings{"x", "/y"}, ".", "k.nk"
	got := strings.Join(n.Environ(), "\n")
	for _, want := range []string{
		"CORE_ROOT=" + filepath.Join(wd, ".core"), "CORE_SPECS=" + filepath.Join(wd, "x") + ",/y",
		"CORE_WORKSPACE=" + wd, "CORE_BUS_SEED_FILE=" + filepath.Join(wd, "k.nk"),
	} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n.Specs[0] != "x" {
		t.Error("Environ changed the settings")
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Node)
		want   string
	}{
		"node":         {func(n *Node) { n.Name = "a.b" }, `setting node="a.b": want 1 to 64 letters, digits, '-' or '_'`},
		"node empty":   {func(n *Node) { n.Name = "" }, `setting node="": want 1 to 64 letters, digits, '-' or '_'`},
		"node bin":     {func(n *Node) { n.Name = "bin" }, `setting node="bin": want another name: bin, specs, store are directories beside those of nodes`},
		"root":         {func(n *Node) { n.Root = "" }, `setting root="": want a directory`},
		"profile":      {func(n *Node) { n.Profiles = Strings{"a", "b c"} }, `setting profile="b c": want 1 to 64 letters, digits, '-' or '_'`},
		"specs":        {func(n *Node) { n.Specs = Strings{"a,b"} }, `setting specs="a,b": want a directory without a comma in its name`},
		"bus url":      {func(n *Node) { n.BusURL = "127.0.0.1:4222" }, `setting bus.url="127.0.0.1:4222": want a URL, as in nats://127.0.0.1:4222`},
		"bus scheme":   {func(n *Node) { n.BusURL = "http://a" }, `setting bus.url="http://a": want a URL, as in nats://127.0.0.1:4222`},
		"bus user":     {func(n *Node) { n.BusURL = "nats://t0k3n@a" }, `setting bus.url="nats://xxxxx@a": want no user or password in a URL: name the file with the credential in bus.seed-file`},
		"second user":  {func(n *Node) { n.BusURL = "nats://a,nats://u:p@b" }, `setting bus.url="nats://a,nats://xxxxx@b": want no user or password in a URL: name the file with the credential in bus.seed-file`},
		"no port":      {func(n *Node) { n.BusListen = "127.0.0.1" }, `setting bus.listen="127.0.0.1": want host:port, as in 127.0.0.1:8080`},
		"port":         {func(n *Node) { n.EdgeListen = "127.0.0.1:65536" }, `setting edge.listen="127.0.0.1:65536": want a port from 0 to 65535`},
		"named port":   {func(n *Node) { n.EdgeListen = "127.0.0.1:http" }, `setting edge.listen="127.0.0.1:http": want a port from 0 to 65535`},
		"beyond":       {func(n *Node) { n.EdgeListen = "0.0.0.0:80" }, `setting edge.listen="0.0.0.0:80": a listener beyond loopback requires TLS, which is not supported yet: want 127.0.0.1, [::1] or localhost`},
		"every host":   {func(n *Node) { n.EdgeListen = ":80" }, `setting edge.listen=":80": a listener beyond loopback requires TLS, which is not supported yet: want 127.0.0.1, [::1] or localhost`},
		"host by name": {func(n *Node) { n.MetricsListen = "example.org:80" }, `setting metrics.listen="example.org:80": a listener beyond loopback requires TLS, which is not supported yet: want 127.0.0.1, [::1] or localhost`},
		"github":       {func(n *Node) { n.DepGitHub = "github.com" }, `setting dep.github="github.com": want a URL, as in https://github.com or https://github.example.org/api/v3`},
		"github user":  {func(n *Node) { n.DepGitHub = "https://t0k3n@a" }, `setting dep.github="https://xxxxx@a": want no user or password in a URL`},
		"mirror":       {func(n *Node) { n.DepMirrors = Strings{"https://a"} }, `setting dep.mirrors="https://a": want prefix=replacement, as in https://github.com/=https://mirror.example.org/github/`},
		"mirror to":    {func(n *Node) { n.DepMirrors = Strings{"https://a=/b"} }, `setting dep.mirrors="https://a=/b": want prefix=replacement, as in https://github.com/=https://mirror.example.org/github/`},
		"node store":   {func(n *Node) { n.Name = "store" }, `setting node="store": want another name: bin, specs, store are directories beside those of nodes`},
		"store":        {func(n *Node) { n.BusStore = "disk" }, `setting bus.store="disk": want one of memory, file`},
		"sync":         {func(n *Node) { n.BusSync = "never" }, `setting bus.sync="never": want "always" or a duration of more than 0, as in "1s"`},
		"level":        {func(n *Node) { n.LogLevel = "INFO" }, `setting log.level="INFO": want one of debug, info, warn, error`},
		"format":       {func(n *Node) { n.LogFormat = "" }, `setting log.format="": want one of auto, text, json`},
		"timeouts": {func(n *Node) { n.StageTimeout, n.StopTimeout = 0, -1 },
			"setting stage.timeout=\"0s\": want a duration of more than 0\nsetting stop.timeout=\"-1ns\": want a duration of more than 0"},
		"several": {func(n *Node) { n.Name, n.BusStore = "", "disk" },
			"setting node=\"\": want 1 to 64 letters, digits, '-' or '_'\nsetting bus.store=\"disk\": want one of memory, file"},
	} {
		t.Run(name, func(t *testing.T) {
			n := Default()
			test.change(&n)
			err := n.Validate()
			var usage *UsageError
			if !errors.As(err, &usage) || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got:  %v\nwant: %s", err, test.want)
			}
			if strings.Contains(err.Error(), "u:p") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
	for name, change := range map[string]func(*Node){
		"any port":     func(n *Node) { n.BusListen, n.EdgeListen = "127.0.0.1:0", "[::1]:0" },
		"127.0.0.2":    func(n *Node) { n.EdgeListen = "127.0.0.2:80" },
		"sync always":  func(n *Node) { n.BusSync = "always" },
		"sync 1s":      func(n *Node) { n.BusSync = "1s" },
		"cluster":      func(n *Node) { n.BusURL = "nats://a:1, tls://b:2" },
		"no profiles":  func(n *Node) { n.Profiles = nil },
		"other bus":    func(n *Node) { n.BusURL = "tls://bus.example.org:4222" },
		"upper case":   func(n *Node) { n.Name = "Node-1_a" },
		"longest name": func(n *Node) { n.Name = events.Node(strings.Repeat("n", events.MaxToken)) },
	} {
		n := Default()
		change(&n)
		if err := n.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Validate refuses of single values, Parse refuses with its origin.
func TestParseChecksNodeSettings(t *testing.T) {
	for _, test := range []struct{ flag, variable, want string }{
		{"--edge.listen=0.0.0.0:80", "CORE_BUS_STORE=disk",
			"flag --edge.listen=\"0.0.0.0:80\": a listener beyond loopback requires TLS, which is not supported yet: want 127.0.0.1, [::1] or localhost\n" +
				"variable CORE_BUS_STORE=\"disk\": want one of memory, file"},
		{"--bus.listne=x", "", "unknown flag --bus.listne: did you mean --bus.listen?"},
	} {
		var n Node
		set := New("node")
		n.Register(set)
		if err := set.Parse([]string{test.flag}, []string{test.variable}); err == nil || err.Error() != test.want {
			t.Errorf("got:  %v\nwant: %s", err, test.want)
		}
	}
}

// Callers read values with the Getter of a flag.
func TestEveryNodeSettingIsAGetter(t *testing.T) {
	var n Node
	set := New("node")
	n.Register(set)
	set.VisitAll(func(f *flag.Flag) {
		if get(f) == nil {
			t.Errorf("--%s has no Getter", f.Name)
		}
		if f.Usage == "" {
			t.Errorf("--%s has no usage", f.Name)
		}
	})
	if got := set.Lookup("stop.timeout").Value.(flag.Getter).Get(); got != 10*time.Second {
		t.Errorf("stop.timeout is %v", got)
	}
}

func TestLayout(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	l := Default().Layout()
	for got, want := range map[string]string{
		l.Dir: ".core/local", l.Root: ".core", l.Bin(): ".core/bin", l.Specs(): ".core/specs", l.Lock(): ".core/local/lock", l.Keys(): ".core/local/keys",
		l.Secrets(): ".core/local/secrets",
		l.Run():     ".core/local/run", l.Logs(): ".core/local/logs", l.Store(): ".core/local/store", l.Log("busd"): ".core/local/logs/busd.log",
		l.Data("a"): ".core/local/data/a", l.Conf("a"): ".core/local/conf/a", l.Seed(events.Busd): ".core/local/keys/busd.nk",
		l.Pub(events.Busd): ".core/local/keys/busd.pub", l.ConsoleToken(): ".core/local/keys/console.token", l.NodeFile(): ".core/local/run/node.json",
	} {
		if got != filepath.Join(wd, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := (Node{Name: "n", Root: "/a/../b/"}).Layout().Dir; got != "/b/n" {
		t.Errorf("an absolute root: %s", got)
	}
}

func TestNodeFile(t *testing.T) {
	n := Default()
	n.Root = t.TempDir()
	l := n.Layout()
	if _, err := ReadNodeFile(l); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none there: %v", err)
	}
	if err := RemoveNodeFile(l); err != nil {
		t.Errorf("none there: %v", err)
	}
	if err := WriteNodeFile(l, NodeFile{}); err == nil {
		t.Error("written without its directory")
	}
	if err := os.MkdirAll(l.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	want := NodeFile{Version: NodeFileVersion, PID: 7, BusURL: "nats://a", Started: time.Unix(1, 0).UTC()}
	if err := WriteNodeFile(l, want); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(l.NodeFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got, err := ReadNodeFile(l); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		`{"version": 2}`: "version 2: want 1",
		`{"version"`:     "unexpected end of JSON input",
	} {
		if err := os.WriteFile(l.NodeFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadNodeFile(l); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), l.NodeFile()) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := RemoveNodeFile(l); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.NodeFile()); !errors.Is(err, os.ErrNotExist) {
		t.Error("still there")
	}
}
