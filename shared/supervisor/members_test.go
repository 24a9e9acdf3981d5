package supervisor_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/process/ports"
	"core.internal/shared/supervisor"
)

// The members that a command is made of: how it is stopped, what placeholders
// stand for, and how often a check must succeed.
func TestBuildOfMembers(t *testing.T) {
	b := builder(t)
	s := located(t, `{
		"id": "alpha",
		"process": {"command": "true", "args": ["{service.id}", "{replica}", "{instance}", "{node.dir}"], "stopSignal": "QUIT", "stopTimeout": "45s"},
		"health": {"type": "exec", "command": ["true"], "successThreshold": 4}
	}`, nil)
	s.Replica = 2
	built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i1"})
	if err != nil {
		t.Fatal(err)
	}
	c := built.Command
	if c.StopSignal != syscall.SIGQUIT || c.StopTimeout != 45*time.Second || built.Check.Successes != 4 {
		t.Errorf("%v %v %d", c.StopSignal, c.StopTimeout, built.Check.Successes)
	}
	if want := []string{"alpha", "2", "i1", b.Layout.Dir}; !slices.Equal(c.Args, want) {
		t.Errorf("arguments %q, want %q", c.Args, want)
	}
	plain, err := b.Build(t.Context(), located(t, `{"id": "alpha", "process": {"command": "true"}}`, nil), supervisor.Instance{Name: "i"})
	if err != nil || plain.Command.StopSignal != syscall.SIGTERM || plain.Command.StopTimeout != 3*time.Second {
		t.Errorf("defaults: %v %v, %v", plain.Command.StopSignal, plain.Command.StopTimeout, err)
	}
}

func TestBuildOfModes(t *testing.T) {
	b := builder(t)
	const text = `{"id": "alpha", "process": {"command": "true", "ensure": [
		{"type": "mkdir", "path": "{shared.config.dataDir}/d"%s}, {"type": "template", "template": "t", "target": "{shared.config.dir}/f"%s}]}}`
	dir, file := filepath.Join(b.Layout.Data("alpha"), "d"), filepath.Join(b.Layout.Conf("alpha"), "f")
	for _, c := range []struct {
		dir, file         string
		wantDir, wantFile fs.FileMode
	}{
		{"", "", 0o700, 0o600},
		{`, "mode": "0755"`, `, "mode": "0640"`, 0o755, 0o640},
		{`, "mode": "777"`, `, "mode": "666"`, 0o777, 0o666}, // whatever the umask is
		{"", "", 0o777, 0o600},                               // a directory that is there is left alone
	} {
		if _, err := b.Build(t.Context(), located(t, fmt.Sprintf(text, c.dir, c.file), map[string]string{"t": "x"}), supervisor.Instance{Name: "i"}); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{dir: c.wantDir, file: c.wantFile} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v, want %v", path, info.Mode().Perm(), err, want)
			}
		}
	}
}

func TestBuildOfRange(t *testing.T) {
	free := 0
	for range 100 {
		n, err := ports.Free("tcp")
		if err != nil {
			t.Fatal(err)
		}
		if ports.Check("tcp", n+1) == nil {
			free = n
			break
		}
	}
	b := builder(t)
	for i, id := range []string{"alpha", "beta", "gamma"} {
		s := located(t, fmt.Sprintf(`{"id": %q, "process": {"command": "true"}, "ports": {"primary": {"range": "%d-%d"}}}`, id, free, free+1), nil)
		built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
		switch {
		case i == 2:
			if want := fmt.Sprintf(`port "primary" of gamma: every port from %d to %d/tcp is held`, free, free+1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		case err != nil || built.Ports[0].Port != free+i:
			t.Errorf("%s: %+v, %v", id, built.Ports, err)
		}
	}
}

func TestBuildOfSecrets(t *testing.T) {
	const value = "hunter2"
	s := located(t, `{"id": "alpha", "process": {"command": "true", "env": {"TOKEN": "<{secret.token}>"}}}`, nil)
	for name, c := range map[string]struct {
		make func(path string) error
		want string // of the variable, or of the error
	}{
		"a line":       {func(p string) error { return os.WriteFile(p, []byte(value+"\n"), 0o600) }, "<hunter2>"},
		"two lines":    {func(p string) error { return os.WriteFile(p, []byte(value+"\n\n"), 0o400) }, "<hunter2\n>"},
		"placeholders": {func(p string) error { return os.WriteFile(p, []byte("{a}{{"), 0o600) }, "<{a}{{>"},
		"absent":       {func(string) error { return nil }, "there is no such secret: write it to"},
		"readable by the group": {func(p string) error { return os.WriteFile(p, []byte(value), 0o640) },
			"can be read by others than its owner (mode 0640): chmod 600"},
		"a directory": {func(p string) error { return os.Mkdir(p, 0o700) }, "is no file"},
		"too large":   {func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(value, 10000)), 0o600) }, "has 70000 bytes: want at most 65536"},
		"elsewhere":   {func(p string) error { return os.Symlink("/etc/passwd", p) }, "escapes"},
	} {
		b := builder(t)
		if _, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"}); err == nil || !strings.Contains(err.Error(), "process.env.TOKEN: placeholder {secret.token}: there is no secret: write it to "+b.Layout.Secrets()+"/token with mode 0600") {
			t.Errorf("no directory: %v", err)
		}
		if err := os.Mkdir(b.Layout.Secrets(), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(b.Layout.Secrets(), "token")
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		built, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
		switch {
		case err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), value)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		case err == nil && !slices.Contains(built.Command.Env, "TOKEN="+c.want):
			t.Errorf("%s: %q, want %s", name, built.Command.Env, c.want)
		}
	}
}
