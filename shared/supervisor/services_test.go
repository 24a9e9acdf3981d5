package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/process/ports"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// builder is a Services on a node directory of the test's own.
func builder(t testing.TB) *supervisor.Services {
	t.Helper()
	n := config.Default()
	n.Root = t.TempDir()
	l := n.Layout()
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &supervisor.Services{
		Node: "local", Layout: l, BusURL: "nats://127.0.0.1:1", StopTimeout: 3 * time.Second,
		Environ: []string{"PATH=/usr/bin:/bin", "HOME=/home/x", "TOKEN=secret", "TZ=UTC", "CORE_ROOT=/elsewhere"},
	}
}

// located writes a spec into a directory of its own and reads it.
func located(t testing.TB, text string, files map[string]string) spec.Located {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "alpha.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spec.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Who does not use the bus is told nothing of it.
func TestBusInEnvironment(t *testing.T) {
	b := builder(t)
	for members, told := range map[string]bool{
		``:                              false,
		`,"dependencies":["core.edge"]`: false,
		`,"dependencies":["core.bus"]`:  true,
		`,"health":{"type":"bus"}`:      true,
		`,"health":{"type":"none","readiness":{"type":"bus"}}`: true,
	} {
		built, err := b.Build(t.Context(), located(t, `{"id":"alpha","process":{"command":"true"}`+members+`}`, nil), supervisor.Instance{Name: "i1"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CORE_BUS_URL=" + b.BusURL, "CORE_BUS_SEED_FILE=" + b.Layout.Seed("alpha")} {
			if got := slices.Contains(built.Command.Env, want); got != told {
				t.Errorf("%s: %s is there: %t", members, want, got)
			}
		}
	}
}

func TestBuild(t *testing.T) {
	b := builder(t)
	s := located(t, `{
		"id": "alpha",
		"process": {
			"command": "sh",
			"args": ["-c", "serve {shared.config.dir}/alpha.conf {ports.metrics}"],
			"env": {"TOKEN": "{env.TOKEN}", "HOME": "/nowhere"},
			"ensure": [
				{"type": "template", "template": "alpha.conf.tmpl", "target": "{shared.config.dir}/sub/alpha.conf"},
				{"type": "mkdir", "path": "{shared.config.dataDir}/cache/deep"}
			]
		},
		"ports": {"primary": {"port": 0}, "additional": [{"name": "metrics", "port": 0, "protocol": "http"}]},
		"logging": {"retention": "7d"},
		"health": {"type": "exec", "command": ["true"], "interval": "1s"},
		"caddy": {"expose": true},
		"dependencies": ["core.bus"]
	}`, map[string]string{"alpha.conf.tmpl": "node {node.name}\nport {ports.primary} {{}\n"})

	built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i1"})
	if err != nil {
		t.Fatal(err)
	}
	l := b.Layout
	primary, metrics := built.Ports[0], built.Ports[1]
	if primary.Name != "primary" || primary.Protocol != "tcp" || metrics.Name != "metrics" || metrics.Protocol != "http" || primary.Port == 0 || metrics.Port == 0 {
		t.Errorf("ports %+v", built.Ports)
	}
	c := built.Command
	if c.Path != "/usr/bin/sh" && c.Path != "/bin/sh" || c.Dir != l.Data("alpha") || c.StopTimeout != 3*time.Second || c.Retention != 7*24*time.Hour ||
		c.Stdout != l.Log("alpha") || c.Stderr != "" {
		t.Errorf("command %+v", c)
	}
	if want := fmt.Sprintf("serve %s/alpha.conf %d", l.Conf("alpha"), metrics.Port); c.Args[1] != want {
		t.Errorf("args %q, want %q", c.Args[1], want)
	}
	want := []string{
		"CORE_BUS_SEED_FILE=" + l.Seed("alpha"), "CORE_BUS_URL=nats://127.0.0.1:1", "CORE_CONFIG_DIR=" + l.Conf("alpha"),
		"CORE_DATA_DIR=" + l.Data("alpha"), "CORE_INSTANCE=i1", "CORE_LOG_DIR=" + l.Logs(), "CORE_NODE=local", "CORE_SERVICE=alpha",
		"HOME=/nowhere", "PATH=/usr/bin:/bin", "TOKEN=secret", "TZ=UTC",
	}
	if !slices.Equal(c.Env, want) {
		t.Errorf("environment\n%s\nwant\n%s", strings.Join(c.Env, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(built.Check.Env, want) || built.Check.Dir != c.Dir || built.Check.Interval != time.Second || built.Check.Type != spec.HealthExec {
		t.Errorf("check %+v", built.Check)
	}
	if r := built.Routes; len(r) != 1 || r[0].Hosts[0] != "alpha.localhost" || r[0].Upstreams[0] != fmt.Sprint("127.0.0.1:", primary.Port) {
		t.Errorf("routes %+v", r)
	}
	file := filepath.Join(l.Conf("alpha"), "sub", "alpha.conf")
	text, err := os.ReadFile(file)
	if err != nil || string(text) != fmt.Sprintf("node local\nport %d {}\n", primary.Port) {
		t.Errorf("template: %q %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(l.Data("alpha"), "cache", "deep")); err != nil || !info.IsDir() {
		t.Errorf("mkdir: %v", err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}

	again, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i2", Kept: built.Ports})
	if err != nil || !slices.Equal(again.Ports, built.Ports) {
		t.Errorf("the next instance: %v, ports %v, were %v", err, again.Ports, built.Ports)
	}
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("a file that was right was written again: %v", err)
	}
}

func TestBuildRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	outside := t.TempDir()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, want string
		files      map[string]string
	}{
		"held port":      {fmt.Sprintf(`{"id":"alpha","process":{"command":"true"},"ports":{"primary":{"port":%d}}}`, port), fmt.Sprintf(`port "primary" of alpha: port %d/tcp is held by pid %d`, port, os.Getpid()), nil},
		"variable":       {`{"id":"alpha","process":{"command":"true","args":["{env.NO_SUCH}"]}}`, "alpha.json:1:51: process.args[0]: placeholder {env.NO_SUCH}: the variable NO_SUCH is not set", nil},
		"not on PATH":    {`{"id":"alpha","process":{"command":"no-such-command"}}`, `alpha.json:1:36: process.command: "no-such-command" is not on PATH`, nil},
		"not there":      {`{"id":"alpha","process":{"command":"/no/such"}}`, "process.command: /no/such does not exist", nil},
		"a directory":    {`{"id":"alpha","process":{"command":"/usr"}}`, "/usr is a directory", nil},
		"not executable": {fmt.Sprintf(`{"id":"alpha","process":{"command":%q}}`, plain), "is not executable: chmod +x it", nil},
		"mkdir outside": {fmt.Sprintf(`{"id":"alpha","process":{"command":"true","ensure":[{"type":"mkdir","path":%q}]}}`, outside+"/x"),
			"process.ensure[0].path: " + outside + "/x is outside the node directory", nil},
		"mkdir upwards": {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"mkdir","path":"{shared.config.dir}/../../../../x"}]}}`, "outside the node directory", nil},
		"target outside": {fmt.Sprintf(`{"id":"alpha","process":{"command":"true","ensure":[{"type":"template","template":"t","target":%q}]}}`, outside+"/x"),
			"outside the node directory", map[string]string{"t": "x"}},
		"no template":      {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"template","template":"t","target":"{shared.config.dir}/x"}]}}`, "no such file", nil},
		"bad template":     {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"template","template":"t","target":"{shared.config.dir}/x"}]}}`, "/t:2:1: unknown placeholder {ports.primary}", map[string]string{"t": "a\n{ports.primary}\n"}},
		"through a link":   {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"mkdir","path":"{shared.config.dataDir}/link/x"}]}}`, "escapes", nil},
		"where a file is":  {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"mkdir","path":"{shared.config.dataDir}/file"}]}}`, "/file is no directory: move it away", nil},
		"template to link": {`{"id":"alpha","process":{"command":"true","ensure":[{"type":"template","template":"t","target":"{shared.config.dataDir}/link/x"}]}}`, "escapes", map[string]string{"t": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := builder(t)
			data := b.Layout.Data("alpha")
			if err := errors.Join(os.MkdirAll(data, 0o700), os.Symlink(outside, filepath.Join(data, "link")), os.WriteFile(filepath.Join(data, "file"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			_, err := b.Build(t.Context(), located(t, c.text, c.files), supervisor.Instance{Name: "i"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			var held *ports.HeldError
			if errors.As(err, &held) != (name == "held port") {
				t.Errorf("%T", err)
			}
			if files, _ := os.ReadDir(outside); len(files) > 0 {
				t.Errorf("something was written outside: %v", files)
			}
		})
	}
}

func TestBuildInstalls(t *testing.T) {
	b := builder(t)
	elsewhere := t.TempDir()
	asked := 0
	b.Install = func(_ context.Context, s spec.Located) (string, error) {
		d := s.Dep
		asked++
		if d.Name == "broken" {
			return "", errors.New("it does not compile")
		}
		path := filepath.Join(elsewhere, d.Name)
		return path, os.WriteFile(path, nil, 0o700)
	}
	text := `{"id":"alpha","dep":{"name":"tool","source":"system"},"process":{"command":"{shared.dep.bin}/tool"}}`
	s := located(t, text, nil)
	for range 2 {
		built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
		if err != nil || built.Command.Path != filepath.Join(elsewhere, "tool") {
			t.Fatalf("%q %v", built.Command.Path, err)
		}
	}
	if asked != 1 {
		t.Errorf("installed %d times", asked)
	}
	// What the node has itself needs no installation.
	if err := os.MkdirAll(b.Layout.Bin(), 0o700); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(b.Layout.Bin(), "tool")
	if err := os.WriteFile(own, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"}); err != nil || built.Command.Path != own {
		t.Errorf("%q %v", built.Command.Path, err)
	}
	// What is locked may have been switched to another version.
	asked = 0
	fetched := strings.Replace(text, `"system"`, `"file","asset":"x"`, 1)
	for range 2 {
		if _, err := b.Build(t.Context(), located(t, fetched, nil), supervisor.Instance{Name: "i"}); err != nil {
			t.Error(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times for what is locked", asked)
	}
	_, err := b.Build(t.Context(), located(t, strings.ReplaceAll(text, "tool", "broken"), nil), supervisor.Instance{Name: "i"})
	if err == nil || err.Error() != "prepare alpha: it does not compile" {
		t.Errorf("%v", err)
	}
}

// Alternatives have one port after each other, and services that exchange their
// ports do not wait for each other.
func TestPortsChangeHands(t *testing.T) {
	b := builder(t)
	one, err := ports.Free("tcp")
	if err != nil {
		t.Fatal(err)
	}
	two := one
	for two == one {
		if two, err = ports.Free("tcp"); err != nil {
			t.Fatal(err)
		}
	}
	kept := map[string][]events.Port{}
	build := func(id string, port int) error {
		s := located(t, fmt.Sprintf(`{"id": %q, "process": {"command": "sh"}, "ports": {"primary": {"port": %d}}}`, id, port), nil)
		built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i", Kept: kept[id]})
		if err == nil {
			kept[id] = built.Ports
		}
		return err
	}
	var held *ports.HeldError
	if err := build("a", one); err != nil {
		t.Fatal(err)
	}
	if err := build("b", one); !errors.As(err, &held) || held.Service != "a" {
		t.Fatalf("a port that a has: %v", err)
	}
	b.Release("a") // it came to rest
	if err := build("b", one); err != nil {
		t.Fatal(err)
	}
	if err := build("a", two); err != nil {
		t.Fatal(err)
	}
	// b wants two and a wants one: whoever is first has to try again, once.
	if err := build("b", two); !errors.As(err, &held) || held.Service != "a" {
		t.Fatalf("a port that a has: %v", err)
	}
	for _, err := range []error{build("a", one), build("b", two)} {
		if err != nil {
			t.Error(err)
		}
	}
}
