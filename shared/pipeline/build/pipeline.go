package build

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/config"
	"core.internal/shared/pipeline"
)

// Name is the pipeline's name.
const Name = "build"

// Options say what to build and where to put it.
type Options struct {
	// Workspace is the root of the source tree, where go.work lies. A run fails
	// where it is empty.
	Workspace string
	// Dir gets a directory per run.
	Dir string
	// Built has binaries that were built before with the same settings, as a
	// boot's; what is up to date there is not linked again. May be empty.
	Built string
	// Keep is how many runs keep their directory; 2 if 0.
	Keep int
	// Store keeps a small object outside the node's disk; may be nil.
	Store func(ctx context.Context, name string, data []byte) error
}

const defaultKeep = 2

// Pipeline returns the pipeline.
func Pipeline(o Options) pipeline.Pipeline {
	return pipeline.Pipeline{
		Name:  Name,
		About: "build core binaries",
		Params: []pipeline.Param{{
			Name:  "targets",
			About: "binaries to build, separated by commas; all of the workspace if empty",
			Check: func(value string) error { return o.checkTargets(value) },
		}},
		Plan: o.plan,
	}
}

func (o Options) plan(d *pipeline.Definition) error {
	all, err := Targets(o.Workspace)
	if err != nil {
		return err
	}
	names := d.List("targets")
	targets := slices.DeleteFunc(all, func(t Target) bool {
		return len(names) > 0 && !slices.Contains(names, t.Name)
	})
	toolchain := pipeline.Task(d, "toolchain", func(ctx context.Context, j pipeline.Job) (Toolchain, error) {
		return o.toolchain(ctx, j, targets)
	})
	var binaries []pipeline.Value[Binary]
	for _, target := range targets {
		binaries = append(binaries, pipeline.Task1(d, "compile-"+target.Name,
			func(ctx context.Context, j pipeline.Job, t Toolchain) (Binary, error) {
				return o.compile(ctx, j, t, target)
			}, toolchain))
	}
	pipeline.Task2(d, "manifest", o.manifest, toolchain, pipeline.All(binaries...))
	return nil
}

func (o Options) checkTargets(value string) error {
	all, err := Targets(o.Workspace)
	if err != nil {
		return err
	}
	var known []string
	for _, t := range all {
		known = append(known, t.Name)
	}
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" || slices.Contains(known, name) {
			continue
		}
		if near := config.Suggest(name, known); near != "" {
			return fmt.Errorf("unknown target %q: did you mean %q?", name, near)
		}
		return fmt.Errorf("unknown target %q: there are %s", name, strings.Join(known, ", "))
	}
	return nil
}
