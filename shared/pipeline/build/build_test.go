package build_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/build"
	"core.internal/shared/spec"
	"core.internal/shared/testutil/testproc"
)

const sources = `
-- go.work --
go 1.26.0

use (
	./busd
	./procd
	./services/alpha
	./shared
)
-- busd/go.mod --
module example.test/busd

go 1.26.0
-- busd/main.go --
package main

import "example.test/shared"

func main() { println(shared.Greeting) }
-- procd/go.mod --
module example.test/procd

go 1.26.0
-- procd/main.go --
package main

func main() {}
-- services/alpha/go.mod --
module example.test/alpha

go 1.26.0
-- services/alpha/main.go --
package main

func main() {}
-- services/redis/service.json --
{}
-- shared/go.mod --
module example.test/shared

go 1.26.0
-- shared/shared.go --
package shared

const Greeting = "hello"
`

func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := txtar.Write(txtar.Parse([]byte(sources)), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// carryOut does every step of a run in order, as if each were interrupted once.
func carryOut(t *testing.T, o build.Options, run events.Entity, params map[string]string) (string, map[string]json.RawMessage, error) {
	t.Helper()
	d, err := build.Pipeline(o).Define(params)
	if err != nil {
		t.Fatal(err)
	}
	var log testproc.Buffer
	results := map[string]json.RawMessage{}
	for _, s := range d.Graph() {
		for attempt := 1; attempt <= 2; attempt++ {
			j := pipeline.Job{Run: run, Pipeline: build.Name, Step: s.Name, Attempt: attempt, Mark: t.TempDir(), Log: &log}
			result, err := d.Do(t.Context(), j, func(step string) (json.RawMessage, bool) { r, ok := results[step]; return r, ok })
			if err != nil {
				return log.String(), results, fmt.Errorf("step %s: %w", s.Name, err)
			}
			if attempt > 1 && !bytes.Equal(result, results[s.Name]) {
				t.Errorf("step %s repeated: %s, was %s", s.Name, result, results[s.Name])
			}
			results[s.Name] = result
		}
	}
	return log.String(), results, nil
}

func TestBuild(t *testing.T) {
	stored := map[string]string{}
	o := build.Options{Workspace: workspace(t), Dir: t.TempDir(), Store: func(_ context.Context, name string, data []byte) error {
		stored[name] = string(data)
		return nil
	}}
	log, results, err := carryOut(t, o, "r1", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for _, want := range []string{"linux/", "3 targets", "example.test/busd\n", "alpha: ", "stored as build/manifest.json"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	b, err := os.ReadFile(filepath.Join(o.Dir, "r1", build.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	if stored[build.ManifestObject] != string(b) {
		t.Errorf("stored %q", stored)
	}
	var m, result build.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(results["manifest"], &result); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, result); diff != "" {
		t.Errorf("file and result differ:\n%s", diff)
	}
	var names []string
	for _, binary := range m.Binaries {
		names = append(names, binary.Name)
		data, err := os.ReadFile(filepath.Join(o.Dir, "r1", binary.Name))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) != binary.Size || fmt.Sprintf("%x", sha256.Sum256(data)) != binary.SHA256 {
			t.Errorf("%+v does not describe its file", binary)
		}
	}
	if got := strings.Join(names, " "); got != "alpha busd procd" || m.Version != 1 || !strings.HasPrefix(m.Go, "go1.") {
		t.Errorf("manifest %+v", m)
	}
	if out, err := exec.Command(filepath.Join(o.Dir, "r1", "busd")).CombinedOutput(); err != nil || string(out) != "hello\n" {
		t.Errorf("busd: %q, %v", out, err)
	}

	// The same sources elsewhere give the same bytes.
	other := build.Options{Workspace: workspace(t), Dir: t.TempDir()}
	if log, _, err := carryOut(t, other, "r2", nil); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	again, err := os.ReadFile(filepath.Join(other.Dir, "r2", build.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(b), string(again)); diff != "" {
		t.Errorf("not reproducible:\n%s", diff)
	}
}

// What a boot built is compiled for the pipeline too: it only links, and comes to
// the same bytes, where the machine has a C compiler as well.
func TestBootAndPipelineShareACache(t *testing.T) {
	t.Setenv("CGO_ENABLED", "") // as it is where nobody has decided
	dir := workspace(t)
	write(t, filepath.Join(dir, "busd", "main.go"), fmt.Sprintf("package main\n\nimport \"net\"\n\nfunc main() { println(net.IPv4len, %d) }\n", time.Now().UnixNano()))
	want := dep.Want{Dep: spec.Dep{Name: "busd", Source: spec.SourceGoBuild, Asset: "example.test/busd"}}
	paths, err := dep.Store{Bin: t.TempDir(), Workspace: dir}.Ensure(t.Context(), []dep.Want{want}, func(dep.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	o := build.Options{Workspace: dir, Dir: t.TempDir(), Built: filepath.Dir(paths["busd"])}
	before, err := os.Stat(paths["busd"])
	if err != nil {
		t.Fatal(err)
	}
	log, _, err := carryOut(t, o, "r1", map[string]string{"targets": "busd"})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if after, err := os.Stat(paths["busd"]); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the boot's binary was touched: %v", err)
	}
	// A damaged one is not taken for what it is not.
	damaged := build.Options{Workspace: dir, Dir: t.TempDir(), Built: t.TempDir()}
	if err := os.WriteFile(filepath.Join(damaged.Built, "busd"), []byte("nonsense"), 0o755); err != nil {
		t.Fatal(err)
	}
	if log, _, err := carryOut(t, damaged, "r1", map[string]string{"targets": "busd"}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	_, compiling, _ := strings.Cut(log, "building ./busd")
	for _, name := range []string{"example.test/busd", "net"} { // as go build -v names what it compiles
		if strings.Contains(compiling, "\n"+name+"\n") {
			t.Errorf("%s was compiled again:\n%s", name, log)
		}
	}
	boot, err := os.ReadFile(paths["busd"])
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{o.Dir, damaged.Dir} {
		if run, err := os.ReadFile(filepath.Join(dir, "r1", "busd")); err != nil || !bytes.Equal(run, boot) {
			t.Errorf("the boot's binary and the pipeline's differ: %v", err)
		}
	}
	info, err := buildinfo.ReadFile(paths["busd"])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "0"}) {
		t.Errorf("the boot's binary was built with %v", info.Settings)
	}
}

func TestTargets(t *testing.T) {
	o := build.Options{Workspace: workspace(t), Dir: t.TempDir(), Store: func(context.Context, string, []byte) error {
		return errors.New("the bus is away")
	}}
	log, results, err := carryOut(t, o, "r1", map[string]string{"targets": "procd, busd"})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if len(results) != 4 || results["compile-alpha"] != nil {
		t.Errorf("steps %v", results)
	}
	if want := "the object store does not take the manifest: the bus is away\n"; !strings.Contains(log, want) {
		t.Errorf("the log lacks %q:\n%s", want, log)
	}
	for value, want := range map[string]string{
		"bsud":    `parameter "targets" of pipeline build: unknown target "bsud": did you mean "busd"?`,
		"jupiter": `parameter "targets" of pipeline build: unknown target "jupiter": there are busd, procd, alpha`,
	} {
		if _, err := build.Pipeline(o).Define(map[string]string{"targets": value}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	_, _, err := carryOut(t, build.Options{Dir: t.TempDir()}, "r1", nil)
	wantError(t, err, "step toolchain: there is no source tree to build: start pipelined inside a clone, or name one with pipeline.workspace")

	o := build.Options{Workspace: workspace(t), Dir: t.TempDir()}
	write(t, filepath.Join(o.Workspace, "procd", "main.go"), "package main\n\nfunc main() { undefined() }\n")
	log, _, err := carryOut(t, o, "r2", nil)
	wantError(t, err, "step compile-procd: go build -v -trimpath")
	wantError(t, err, "exit status 1")
	if want := "procd/main.go:3:15: undefined: undefined\n"; !strings.Contains(log, want) {
		t.Errorf("the log lacks %q:\n%s", want, log)
	}
	if parts, _ := filepath.Glob(filepath.Join(o.Dir, "r2", "*.part")); len(parts) > 0 {
		t.Errorf("left %s", parts)
	}

	write(t, filepath.Join(o.Workspace, "procd", "main.go"), "package procd\n")
	_, _, err = carryOut(t, o, "r3", nil)
	wantError(t, err, "step toolchain: example.test/procd is package procd: want package main")

	if err := os.RemoveAll(filepath.Join(o.Workspace, "go.work")); err != nil {
		t.Fatal(err)
	}
	_, _, err = carryOut(t, o, "r4", nil)
	wantError(t, err, "step toolchain: go ")
}

func TestManifestOfWhatIsGone(t *testing.T) {
	o := build.Options{Dir: t.TempDir(), Workspace: workspace(t)}
	d, err := build.Pipeline(o).Define(map[string]string{"targets": "busd"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Do(t.Context(), pipeline.Job{Run: "r1", Step: "manifest", Log: &bytes.Buffer{}}, func(step string) (json.RawMessage, bool) {
		return json.RawMessage(`{"name":"busd","size":1}`), true
	})
	wantError(t, err, "a binary is gone that an earlier step built: stat ")
	wantError(t, err, "no such file or directory: start a new run")
}

func TestOldRunsAreRemoved(t *testing.T) {
	o := build.Options{Workspace: workspace(t), Dir: t.TempDir(), Keep: 2}
	day := 24 * time.Hour
	for name, age := range map[string]time.Duration{"older": 3 * day, "old": 2 * day, "failed": 2 * day, "building": time.Minute} {
		dir := filepath.Join(o.Dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "old") {
			write(t, filepath.Join(dir, build.ManifestFile), "{}")
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if log, _, err := carryOut(t, o, "new", map[string]string{"targets": "procd"}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "building new old" {
		t.Errorf("left are %s", got)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}
