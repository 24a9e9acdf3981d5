package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"core.internal/pipelined/pipeline"
	"core.internal/shared/bus"
	"core.internal/shared/daemon"
	"core.internal/shared/events"
	"core.internal/shared/pipeline/build"
	"core.internal/shared/state"
	"core.internal/shared/testutil/testbus"
)

// sources is a workspace with one binary.
var sources = map[string]string{
	"go.work":         "go 1.26.0\n\nuse (\n\t./busd\n\t./shared\n)\n",
	"busd/go.mod":     "module example.test/busd\n\ngo 1.26.0\n",
	"busd/main.go":    "package main\n\nfunc main() { println(\"hello\") }\n",
	"shared/go.mod":   "module example.test/shared\n\ngo 1.26.0\n",
	"shared/empty.go": "package shared\n",
}

func TestBuildOnTheBus(t *testing.T) {
	workspace, root := t.TempDir(), t.TempDir()
	for name, text := range sources {
		file := filepath.Join(workspace, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := testbus.Start(t, events.Pipelined)
	start(t, b, root, "--pipeline.workspace="+workspace)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := b.Connect(events.Operator)
	view := bus.NewView(shell, testbus.Node)
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		_ = view.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-seen
	})
	request, err := shell.Send(ctx, events.CommandAddress{Node: testbus.Node, Target: events.Pipelined, Entity: "r1"}, events.RunPipeline{Pipeline: "build"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := view.Wait(ctx, func(s state.State) bool {
		o, ok := s.Outcome(request)
		return ok && o.State.Final()
	})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, step := range s.Runs["r1"].Steps {
		steps = append(steps, step.Name+" "+string(step.State))
	}
	if got, want := strings.Join(steps, ", "), "toolchain completed, compile-busd completed, manifest completed"; got != want {
		t.Fatalf("got  %s\nwant %s\n%+v", got, want, s.Runs["r1"])
	}

	file, err := os.ReadFile(filepath.Join(root, string(testbus.Node), "data", "pipelined", "build", "r1", build.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := b.Connect(events.Pipelined).JS.ObjectStore(ctx, events.ObjectsArtifacts)
	if err != nil {
		t.Fatal(err)
	}
	object, err := objects.GetBytes(ctx, build.ManifestObject)
	if err != nil {
		t.Fatal(err)
	}
	var m build.Manifest
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, object) || len(m.Binaries) != 1 || m.Binaries[0].Name != "busd" {
		t.Errorf("the object store has %s", object)
	}
	if log, err := os.ReadFile(filepath.Join(root, string(testbus.Node), "logs", "runs", "r1", "compile-busd.log")); err != nil || !strings.HasPrefix(string(log), "building ./busd with go1.") {
		t.Errorf("compile-busd.log: %q, %v", log, err)
	}
}

func TestBadSetting(t *testing.T) {
	err := daemon.Exec(t.Context(), pipeline.Definition(), []string{"--pipeline.runs=many"}, nil, nil, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "pipeline.runs") {
		t.Errorf("got %v", err)
	}
}

// start runs the daemon until the test ends.
func start(t *testing.T, b *testbus.Bus, root string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var log bytes.Buffer
	args = append(args, "--node="+string(testbus.Node), "--root="+root, "--bus.url="+b.URL(), "--bus.seed-file="+b.Seed(events.Pipelined))
	go func() {
		done <- daemon.Exec(ctx, pipeline.Definition(), args, nil, strings.NewReader(""), io.Discard, &log)
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("pipelined ended: %v\n%s", err, &log)
		}
	})
	t.Cleanup(stop)
}
