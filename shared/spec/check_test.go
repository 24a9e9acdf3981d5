package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// service makes a spec; more are further members.
func service(t *testing.T, id, more string) Located {
	t.Helper()
	if more != "" {
		more = ", " + more
	}
	return parse(t, id+".json", fmt.Sprintf("{\"id\": %q, \"process\": {\"command\": \"x\"}%s}", id, more))
}

func depends(t *testing.T, id string, on ...string) Located {
	t.Helper()
	return service(t, id, `"dependencies": ["`+strings.Join(on, `", "`)+`"]`)
}

func TestCheck(t *testing.T) {
	port := func(id, profiles, port string) Located {
		return service(t, id, `"profiles": [`+profiles+`], "ports": {"primary": {`+port+`}}`)
	}
	for name, test := range map[string]struct {
		specs []Located
		want  string
	}{
		"nothing": {nil, ""},
		"platform and each other": {[]Located{
			depends(t, "b", "a", "core.bus", "core.edge", "core.controller", "core.pipelines"), service(t, "a", ""),
		}, ""},
		"near": {[]Located{service(t, "alpha", ""), depends(t, "beta", "alhpa")},
			`beta.json:1:62: dependencies[0]: unknown service "alhpa": did you mean "alpha"?`},
		"far": {[]Located{depends(t, "beta", "zzzzzzzz")},
			`beta.json:1:62: dependencies[0]: unknown service "zzzzzzzz": want "beta", "core.bus", "core.controller", "core.edge" or "core.pipelines"`},
		"itself": {[]Located{depends(t, "a", "core.bus", "a")},
			"a.json:1:71: dependencies[1]: the service waits for itself: a → a: want another service"},
		"cycle": {[]Located{depends(t, "c", "a"), depends(t, "a", "b"), depends(t, "b", "c"), depends(t, "0x"[1:], "a")},
			"a.json:1:59: dependencies[0]: the services wait for each other: a → b → c → a: want one of these dependencies removed"},
		"one fixed port": {[]Located{port("b", `"p"`, `"port": 80, "protocol": "http"`), port("a", `"p", "q"`, `"port": 80`)},
			"b.json:1:91: ports.primary.port: tcp 80 is also ports.primary.port of a (a.json:1:96): want another port, or 0 for any free one"},
		"one fixed port, one never in a profile": {[]Located{port("a", `"p"`, `"port": 80`), port("b", ``, `"port": 80`)},
			"b.json:1:88: ports.primary.port: tcp 80 is also ports.primary.port of a (a.json:1:91): want another port, or 0 for any free one"},
		"alternatives":     {[]Located{port("a", `"p"`, `"port": 80`), port("b", `"q"`, `"port": 80`)}, ""},
		"tcp and udp":      {[]Located{port("a", `"p"`, `"port": 80`), port("b", `"p"`, `"port": 80, "protocol": "udp"`)}, ""},
		"any free port":    {[]Located{port("a", `"p"`, `"port": 0`), port("b", `"p"`, `"port": 0`)}, ""},
		"additional ports": {[]Located{service(t, "a", `"ports": {"primary": {"port": 1}, "additional": [{"name": "x", "port": 2}]}`), service(t, "b", `"ports": {"additional": [{"name": "y", "port": 3}, {"name": "x", "port": 2}]}`)}, "b.json:1:115: ports.additional[1].port: tcp 2 is also ports.additional[0].port of a (a.json:1:113): want another port, or 0 for any free one"},
		"all at once": {[]Located{depends(t, "a", "b"), depends(t, "b", "a", "c")},
			"b.json:1:64: dependencies[1]: unknown service \"c\": want \"a\", \"b\", \"core.bus\", \"core.controller\", \"core.edge\" or \"core.pipelines\"\n" +
				"a.json:1:59: dependencies[0]: the services wait for each other: a → b → a: want one of these dependencies removed"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(test.specs)
			if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
		})
	}
}

func TestCheckTemplates(t *testing.T) {
	dir := t.TempDir()
	const doc = `{"id": "a", "process": {"command": "x", "ensure": [{"type": "template", "template": "a.tmpl", "target": "/a"}]}}`
	write(t, filepath.Join(dir, "a.json"), doc)
	s, err := Read(filepath.Join(dir, "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%[1]s/a.json:1:85: process.ensure[0].template: the template %[1]s/a.tmpl is not there: want a file below %[1]s", dir)
	if err := Check([]Located{s}); err == nil || err.Error() != want {
		t.Errorf("got:  %v\nwant: %s", err, want)
	}
	if err := os.Mkdir(filepath.Join(dir, "a.tmpl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Check([]Located{s}); err == nil {
		t.Error("a directory is no template")
	}
	if err := os.Remove(filepath.Join(dir, "a.tmpl")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.tmpl"), "x")
	if err := Check([]Located{s}); err != nil {
		t.Error(err)
	}
}

func ids(specs []Located) string {
	var b strings.Builder
	for _, s := range specs {
		b.WriteString(string(s.ID) + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestOrder(t *testing.T) {
	in := []Located{depends(t, "d", "b"), depends(t, "a", "core.bus", "d", "absent"), service(t, "c", ""), service(t, "b", ""), depends(t, "e", "c")}
	got, err := Order(in)
	if err != nil || ids(got) != "b c d a e" {
		t.Errorf("%s, %v", ids(got), err)
	}
	if ids(in) != "d a c b e" {
		t.Errorf("the argument was reordered: %s", ids(in))
	}
	_, err = Order([]Located{depends(t, "z", "z"), service(t, "a", "")})
	if want := "z.json:1:59: dependencies[0]: the service waits for itself: z → z: want another service"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever the order they come in, each service follows what it depends on, and
// there is one order only; where there is none, the printed path is a circle.
func TestOrderProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "n")
		specs := make([]Located, n)
		for i := range specs {
			specs[i].ID = ServiceID(rune('a' + i))
			for j := range n {
				if rapid.IntRange(0, 4).Draw(t, "edge") == 0 {
					specs[i].Dependencies = append(specs[i].Dependencies, Dependency{Service: string(rune('a' + j))})
				}
			}
		}
		got, err := Order(specs)
		again, err2 := Order(rapid.Permutation(specs).Draw(t, "permutation"))
		if fmt.Sprint(err) != fmt.Sprint(err2) || ids(got) != ids(again) {
			t.Fatalf("%s, %v\n%s, %v", ids(got), err, ids(again), err2)
		}
		if err == nil {
			for i, s := range got {
				for _, d := range s.DependsOn() {
					if at := slices.IndexFunc(got, func(o Located) bool { return string(o.ID) == d }); at >= i {
						t.Fatalf("%s before %s in %s", s.ID, d, ids(got))
					}
				}
			}
			if len(got) != n {
				t.Fatalf("%s of %d", ids(got), n)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		path := strings.Split(e.Reason[strings.Index(e.Reason, ": ")+2:], " → ")
		for i := 1; i < len(path); i++ {
			if !specs[path[i-1][0]-'a'].Needs(path[i]) {
				t.Fatalf("%s: %s does not depend on %s", e.Reason, path[i-1], path[i])
			}
		}
		if len(path) < 2 || path[0] != path[len(path)-1] {
			t.Fatalf("no circle: %s", e.Reason)
		}
	})
}
