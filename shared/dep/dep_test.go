package dep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree is a workspace with two programs.
func tree(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"go.work":                    "go 1.26.0\n\nuse (\n\t./shared\n\t./one // first\n\t\"./services/two\"\n)\n",
		"shared/go.mod":              "module core.internal/shared\n\ngo 1.26.0\n",
		"shared/words/words.go":      "package words\n\nconst Hello = \"hello\"\n",
		"one/go.mod":                 "module core.internal/one\n\ngo 1.26.0\n",
		"one/main.go":                "package main\n\nimport \"core.internal/shared/words\"\n\nfunc main() { println(words.Hello, \"one\") }\n",
		"services/two/go.mod":        "module core.internal/services/two\n\ngo 1.26.0\n",
		"services/two/main.go":       "package main\n\nimport _ \"embed\"\n\n//go:embed texts/two.txt\nvar text string\n\nfunc main() { println(text) }\n",
		"services/two/texts/two.txt": "two",
	})
	return root
}

func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// settle dates all files of a tree back, so that none is too young to be trusted.
func settle(t testing.TB, root string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	one = Want{Dep: spec.Dep{Name: "one", Source: spec.SourceGoBuild, Asset: "core.internal/one"}}
	two = Want{Dep: spec.Dep{Name: "two", Source: spec.SourceGoBuild, Asset: "./services/two"}}
)

// built lists the binaries that Ensure built.
func ensure(t testing.TB, s Store, wants ...Want) (built []string) {
	t.Helper()
	paths, err := s.Ensure(context.Background(), wants, func(p Progress) {
		if p.Phase == PhaseBuilt {
			built = append(built, p.Name)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wants {
		if paths[w.Name] != filepath.Join(s.Bin, w.Name) {
			t.Errorf("path of %s: %s", w.Name, paths[w.Name])
		}
	}
	return built
}

func says(t *testing.T, path, want string) {
	t.Helper()
	out, err := exec.Command(path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%s says %q (%v), want %q", filepath.Base(path), out, err, want)
	}
}

func TestBuild(t *testing.T) {
	root := tree(t)
	settle(t, root)
	s := Store{Bin: filepath.Join(root, ".core", "bin"), Workspace: root}
	var phases []string
	paths, err := s.Ensure(context.Background(), []Want{one, two, one}, func(p Progress) {
		if line := fmt.Sprint(p.Name, " ", p.Index, "/", p.Total, " ", p.Phase); !slices.Contains(phases, line) {
			phases = append(phases, line)
		}
		if p.Packages > p.PackagesTotal || p.Phase == PhaseBuilt && p.PackagesTotal < 2 || p.Elapsed <= 0 || p.Err != nil {
			t.Errorf("progress %+v", p)
		}
		_ = p.String()
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one 1/2 listing", "one 1/2 building", "one 1/2 built", "two 2/2 building", "two 2/2 built"}
	if !slices.Equal(phases, want) {
		t.Errorf("phases %q, want %q", phases, want)
	}
	says(t, paths["one"], "hello one")
	says(t, paths["two"], "two")
	if got := ensure(t, s, one, two); got != nil {
		t.Errorf("built again: %q", got)
	}

	for _, tt := range []struct {
		what   string
		change map[string]string
		built  []string
		one    string
	}{
		{"a source file", map[string]string{"one/main.go": "package main\n\nfunc main() { println(\"new\") }\n"}, []string{"one"}, "new"},
		{"a new file", map[string]string{"one/more.go": "package main\n\nfunc init() { print(\"more \") }\n"}, []string{"one"}, "more new"},
		{"an embedded file", map[string]string{"services/two/texts/two.txt": "deux"}, []string{"two"}, "more new"},
		{"a shared file that only was imported", map[string]string{"shared/words/words.go": "package words\n\nconst Hello = 1\n"}, nil, "more new"},
		{"a go.mod file", map[string]string{"one/go.mod": "module core.internal/one\n\ngo 1.26.0\n\n// x\n"}, []string{"one"}, "more new"},
		{"an ignored file that is not ignored any more", map[string]string{"one/other.go": "//go:build never\n\npackage main\n\nfunc init() { print(\"never \") }\n"}, []string{"one"}, "more new"},
		{"the same", map[string]string{"one/other.go": "package main\n\nfunc init() { print(\"now \") }\n"}, []string{"one"}, "more now new"},
		{"go.work", map[string]string{"go.work": "go 1.26.0\n\nuse ./shared\n\nuse ./one\nuse ./services/two\n"}, []string{"one", "two"}, "more now new"},
	} {
		write(t, root, tt.change)
		for name := range tt.change { // newer than what was seen, but not too young
			when := time.Now().Add(-time.Minute)
			for _, path := range []string{filepath.Join(root, name), filepath.Dir(filepath.Join(root, name))} {
				if err := os.Chtimes(path, when, when); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := ensure(t, s, one, two); !slices.Equal(got, tt.built) {
			t.Errorf("%s changed: built %q, want %q", tt.what, got, tt.built)
		}
		says(t, paths["one"], tt.one)
		// The directory of go.work has the binaries: it is nobody's input.
		if got := ensure(t, s, one, two); got != nil {
			t.Errorf("%s: built again: %q", tt.what, got)
		}
	}
	says(t, paths["two"], "deux")
	if err := os.Remove(paths["two"]); err != nil {
		t.Fatal(err)
	}
	if got := ensure(t, s, one, two); !slices.Equal(got, []string{"two"}) {
		t.Errorf("a binary was removed: built %q", got)
	}
	if err := os.WriteFile(manifestPath(s.Bin, "one"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := ensure(t, s, one, two); !slices.Equal(got, []string{"one"}) {
		t.Errorf("a manifest was damaged: built %q", got)
	}
	for what, damage := range map[string]func(string) error{
		"cut short": func(file string) error { return os.Truncate(file, 64<<10) },
		"emptied":   func(file string) error { return os.Truncate(file, 0) },
		"replaced":  func(file string) error { return os.WriteFile(file, []byte("nonsense"), 0o755) },
	} {
		if err := damage(paths["one"]); err != nil {
			t.Fatal(err)
		}
		if got := ensure(t, s, one, two); !slices.Equal(got, []string{"one"}) {
			t.Errorf("a binary was %s: built %q", what, got)
		}
		says(t, paths["one"], "more now new")
	}
	before, err := os.Stat(paths["one"])
	if err != nil {
		t.Fatal(err)
	}
	touched := time.Now().Add(-30 * time.Second)
	if err := os.Chtimes(filepath.Join(root, "one", "main.go"), touched, touched); err != nil {
		t.Fatal(err)
	}
	if got := ensure(t, s, one); !slices.Equal(got, []string{"one"}) {
		t.Errorf("a file was touched: built %q", got)
	}
	if after, err := os.Stat(paths["one"]); err != nil || !os.SameFile(before, after) {
		t.Errorf("an unchanged binary was linked anew: %v", err)
	}
	t.Setenv("GOFLAGS", "-ldflags=-s")
	if got := ensure(t, s, one); !slices.Equal(got, []string{"one"}) {
		t.Errorf("GOFLAGS changed: built %q", got)
	}
	checkBin(t, s.Bin, "one", "two")
}

// checkBin looks for what builds left behind.
func checkBin(t *testing.T, bin string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(bin)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name(), ".")
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".manifest"), ".lock")
		if !slices.Contains(names, name) {
			t.Errorf("left in the directory for binaries: %s", e.Name())
		}
	}
}

// A file that was written just before it was looked at may change again unseen.
func TestYoungFiles(t *testing.T) {
	root := tree(t)
	settle(t, root)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(root, "one/main.go"), future, future); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := ensure(t, s, one); len(got) != 1 {
			t.Errorf("built %q", got)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	root := tree(t)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root}
	ensure(t, s, one)
	write(t, root, map[string]string{
		"one/main.go":    "package main\n\nfunc main() { undefined() }\n",
		"shared/lib.go":  "package shared\n",
		"one/bad/bad.go": "package bad\n\nimport \"core.internal/nowhere\"\n",
	})
	for _, tt := range []struct{ name, asset, want string }{
		{"one", "core.internal/one", "dependency one (go-build): go build:\n# core.internal/one\none/main.go:3:15: undefined: undefined"},
		{"nope", "./services/nope", "dependency nope (go-build): "},
		{"nope", "core.internal/services/nope", "dependency nope (go-build): "},
		{"bad", "./one/bad", "core.internal/nowhere"},
		{"empty", "", "it does not say which package to build: correct field dep.asset"},
		{"flag", "-toolexec=/bin/sh", `"-toolexec=/bin/sh" is not the path of one package`},
		{"many", "./...", `"./..." is not the path of one package`},
		{"version", "core.internal/one@v1", "is not the path of one package"},
		{"../up", "core.internal/one", "is no file name"},
		{"", "core.internal/one", "is no file name"},
	} {
		var last Progress
		_, err := s.Ensure(context.Background(), []Want{{Dep: spec.Dep{Name: tt.name, Source: spec.SourceGoBuild, Asset: tt.asset}}}, func(p Progress) { last = p })
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.asset, err, tt.want)
		}
		if last.Name != "" && (last.Phase != PhaseFailed || last.Err == nil) {
			t.Errorf("%s: last progress %v", tt.asset, last)
		}
	}
	says(t, filepath.Join(s.Bin, "one"), "hello one") // the old one stays
	checkBin(t, s.Bin, "one", "nope", "bad")
	write(t, root, map[string]string{"one/main.go": "package main\n\nfunc main() { println(\"mended\") }\n"})
	ensure(t, s, one)
	says(t, filepath.Join(s.Bin, "one"), "mended")
}

func TestNoGo(t *testing.T) {
	root := tree(t)
	settle(t, root)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root, Path: t.TempDir()}
	_, err := s.Ensure(context.Background(), []Want{one}, nil)
	if want := "dependency one (go-build): it has to be built, and the command go is not on PATH: install Go from https://go.dev/dl and add it to PATH"; err == nil || err.Error() != want {
		t.Errorf("error %v\n want %s", err, want)
	}
}

func TestUnwritable(t *testing.T) {
	root := tree(t)
	write(t, root, map[string]string{"file": ""})
	s := Store{Bin: filepath.Join(root, "file", "bin"), Workspace: root}
	_, err := s.Ensure(context.Background(), []Want{one}, nil)
	if want := "make the directory for binaries: "; err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), s.Bin) && !strings.Contains(err.Error(), filepath.Dir(s.Bin)) {
		t.Errorf("error %v", err)
	}
	if os.Getuid() == 0 {
		return // root writes everywhere
	}
	bin := filepath.Join(root, "locked")
	if err := os.Mkdir(bin, 0o555); err != nil {
		t.Fatal(err)
	}
	s.Bin = bin
	if _, err := s.Ensure(context.Background(), []Want{one}, nil); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("error %v", err)
	}
}

// A cancelled build leaves the old binary and no half one.
func TestCancel(t *testing.T) {
	root := tree(t)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root}
	ensure(t, s, one)
	write(t, root, map[string]string{"one/main.go": "package main\n\nimport \"net/http\"\n\nfunc main() { http.ListenAndServe(\"\", nil) }\n"})
	t.Setenv("GOCACHE", t.TempDir()) // nothing is compiled yet: it takes seconds
	for _, phase := range []Phase{PhaseListing, PhaseBuilding} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := s.Ensure(ctx, []Want{one}, func(p Progress) {
			if p.Phase == phase {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while %s: %v", phase, err)
		}
		says(t, filepath.Join(s.Bin, "one"), "hello one")
		checkBin(t, s.Bin, "one")
	}
}

// Several that want the same at once build it once.
func TestConcurrent(t *testing.T) {
	root := tree(t)
	settle(t, root)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root}
	var mu sync.Mutex
	built := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := s.Ensure(context.Background(), []Want{one, two}, func(p Progress) {
				if p.Phase == PhaseBuilt {
					mu.Lock()
					built[p.Name]++
					mu.Unlock()
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if built["one"] != 1 || built["two"] != 1 {
		t.Errorf("built %v", built)
	}
	says(t, filepath.Join(s.Bin, "one"), "hello one")
}

func TestSystem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"tool": "#!/bin/sh\n", "plain": ""})
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := Store{Path: "relative" + string(filepath.ListSeparator) + dir}
	system := func(name, asset string) Want {
		return Want{Dep: spec.Dep{Name: name, Source: spec.SourceSystem, Asset: asset}}
	}
	for _, w := range []Want{system("tool", ""), system("x", "tool"), system("x", filepath.Join(dir, "tool"))} {
		paths, err := s.Ensure(context.Background(), []Want{w}, nil)
		if err != nil || paths[w.Name] != filepath.Join(dir, "tool") {
			t.Errorf("%+v: %v %v", w, paths, err)
		}
	}
	for _, tt := range []struct {
		want Want
		text string
	}{
		{system("redis", "redis-server"), `dependency redis (system): the command "redis-server" is not on PATH: install`},
		{system("redis", ""), `the command "redis" is not on PATH`},
		{system("x", "plain"), `the command "plain" is not on PATH`},
		{system("x", "../tool"), `"../tool" is neither a command's name nor an absolute path: correct field dep.asset`},
		{system("x", filepath.Join(dir, "plain")), "is no executable file: install it, or correct field dep.asset"},
		{Want{Dep: spec.Dep{Name: "x", Source: spec.SourceOCI}}, `dependency x (oci): it does not say what to install: set field dep.asset`},
		{Want{Dep: spec.Dep{Name: "x"}}, "it has no source: set field dep.source"},
	} {
		_, err := s.Ensure(context.Background(), []Want{tt.want}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%+v: error %v, want %q", tt.want, err, tt.text)
		}
	}
	// All that is wrong is said at once.
	_, err := s.Ensure(context.Background(), []Want{system("a", ""), system("b", ""), system("a", "c")}, nil)
	for _, want := range []string{"dependency a", "dependency b", "it is wanted twice, as system  and as system c"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestInstalled(t *testing.T) {
	beside, bin, path := t.TempDir(), t.TempDir(), t.TempDir()
	s := Store{Bin: bin, Beside: beside, Path: path}
	_, err := s.Ensure(context.Background(), []Want{one}, nil)
	if want := "there is no workspace to build it from, and it is neither in " + beside; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	for _, dir := range []string{path, bin, beside} {
		want := filepath.Join(dir, "one")
		if err := os.WriteFile(want, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if paths, err := s.Ensure(context.Background(), []Want{one}, nil); err != nil || paths["one"] != want {
			t.Errorf("found %v %v, want %s", paths, err, want)
		}
	}
}

func TestFindWorkspace(t *testing.T) {
	root := tree(t)
	deep := filepath.Join(root, "one", "a", "b")
	write(t, root, map[string]string{
		"one/a/b/x.txt":        "",
		"other/go.work":        "use ./m\n",
		"other/m/go.mod":       "module example.com/m // core.internal/shared\n",
		"other/broken/go.work": "use (\n\t./no\n\"\n",
	})
	for _, dir := range []string{root, deep, filepath.Join(root, "other", "m"), filepath.Join(root, "other", "broken")} {
		if got, ok := FindWorkspace(dir); !ok || got != root {
			t.Errorf("from %s: %s %v", dir, got, ok)
		}
	}
	if got, ok := FindWorkspace(t.TempDir()); ok {
		t.Errorf("found %s", got)
	}
}

// The figure: what it costs to see that nothing has changed.
func BenchmarkFresh(b *testing.B) {
	root := tree(b)
	var wants []Want
	work := "go 1.26.0\n\nuse ./shared\n"
	imports := ""
	for i := range 40 { // about as many files as this repository has
		for j := range 7 {
			write(b, root, map[string]string{fmt.Sprintf("shared/p%d/f%d.go", i, j): fmt.Sprintf("package p%d\n", i)})
		}
		imports += fmt.Sprintf("import _ \"core.internal/shared/p%d\"\n", i)
	}
	for i := range 8 {
		name := fmt.Sprint("bin", i)
		work += "use ./" + name + "\n"
		write(b, root, map[string]string{
			name + "/go.mod":  "module core.internal/" + name + "\n\ngo 1.26.0\n",
			name + "/main.go": "package main\n\n" + imports + "\nfunc main() {}\n",
		})
		wants = append(wants, Want{Dep: spec.Dep{Name: name, Source: spec.SourceGoBuild, Asset: "core.internal/" + name}})
	}
	write(b, root, map[string]string{"go.work": work})
	settle(b, root)
	s := Store{Bin: filepath.Join(root, "bin"), Workspace: root}
	ensure(b, s, wants...)
	runtime.GC()
	for b.Loop() {
		if got := ensure(b, s, wants...); got != nil {
			b.Fatalf("built %q", got)
		}
	}
}

func FuzzWorkspace(f *testing.F) {
	f.Add([]byte("use (\n\t./a\n)\n"), []byte("module x\n"))
	f.Fuzz(func(t *testing.T, work, mod []byte) { uses(work); moduleOf(mod) })
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestHeader + "s\n1\n1 2 /x\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(manifestPath(dir, "x"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if fresh(dir, "x", "s", look{}) {
			t.Error("a binary that is not there is fresh")
		}
	})
}
