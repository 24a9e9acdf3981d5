package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func named(id string) string { return fmt.Sprintf(`{"id": %q, "process": {"command": "x"}}`, id) }

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	in := func(path string) string { return filepath.Join(dir, path) }
	write(t, in("work/services/beta/service.json"), named("beta"))
	write(t, in("work/services/alpha/service.json"), named("alpha"))
	write(t, in("work/services/alpha/other.json"), "not a spec")
	write(t, in("root/specs/own.json"), named("own"))
	write(t, in("root/specs/README.md"), "not a spec")
	write(t, in("more[1]/redis.json"), named("redis"))
	write(t, in("more[1]/nats/service.json"), named("nats"))
	got, err := Load(Dirs{Workspace: in("work"), Root: in("root"), Extra: []string{in("more[1]")}})
	if err != nil || ids(got) != "alpha beta nats own redis" {
		t.Fatalf("%s, %v", ids(got), err)
	}
	if got[2].File != in("more[1]/nats/service.json") || got[2].Dir != in("more[1]/nats") || got[2].Digest == "" {
		t.Errorf("%+v", got[2])
	}

	got, err = Load(Dirs{Workspace: in("none"), Root: in("none")})
	if err != nil || len(got) != 0 {
		t.Errorf("nothing there: %s, %v", ids(got), err)
	}
	got, err = Load(Dirs{})
	if err != nil || len(got) != 0 {
		t.Errorf("nothing named: %s, %v", ids(got), err)
	}

	if err := os.Symlink(in("work/services"), in("link")); err != nil {
		t.Fatal(err)
	}
	got, err = Load(Dirs{Workspace: in("work"), Extra: []string{in("work/services/alpha/.."), in("link")}})
	if err != nil || ids(got) != "alpha beta" {
		t.Errorf("the same files by several names: %s, %v", ids(got), err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	in := func(path string) string { return filepath.Join(dir, path) }
	write(t, in("work/services/alpha/service.json"), named("alpha"))
	write(t, in("work/services/good/service.json"), named("good"))
	write(t, in("root/specs/alpha2.json"), "{\n \"process\": {\"command\": \"x\"}, \"id\": \"alpha\"}")
	write(t, in("root/specs/bad.json"), `{"id": "bad"}`)
	got, err := Load(Dirs{Workspace: in("work"), Root: in("root"), Extra: []string{in("absent"), in("root/specs/bad.json")}})
	want := strings.ReplaceAll(strings.Join([]string{
		"directory of specs: stat DIR/absent: no such file or directory: create it, or correct --specs",
		"directory of specs: DIR/root/specs/bad.json is a file: name the directory that has it with --specs",
		`DIR/root/specs/alpha2.json:2:37: id: "alpha" is the id of DIR/work/services/alpha/service.json already: want an id of its own`,
		"DIR/root/specs/bad.json:1:1: process: missing: want an object",
	}, "\n"), "DIR", dir)
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if ids(got) != "alpha good" {
		t.Errorf("what is right is not returned: %s", ids(got))
	}
	_, err = Read(in("none.json"))
	if want := "read spec: open " + in("none.json") + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSpecsOfTheWorkspace(t *testing.T) {
	specs, err := Load(Dirs{Workspace: "../.."})
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(specs); err != nil {
		t.Fatal(err)
	}
}
