package builtin

import (
	"context"
	"path/filepath"

	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/pipeline"
	"core.internal/shared/pipeline/build"
)

// Options are what the pipelines need of their node.
type Options struct {
	Workspace string // root of the source tree; may be empty
	Data      string // directory for what they make
	Bin       string // directory with the binaries of a boot; may be empty
	// Store keeps a small object outside the node's disk; may be nil.
	Store func(ctx context.Context, name string, data []byte) error
}

// Registry returns every built-in pipeline.
func Registry(o Options) (*pipeline.Registry, error) {
	return pipeline.NewRegistry(
		build.Pipeline(build.Options{Workspace: o.Workspace, Dir: filepath.Join(o.Data, build.Name), Built: o.Bin, Store: o.Store}),
	)
}

// Describe lists the pipelines of a node.
func Describe(n config.Node) ([]pipeline.Description, error) {
	r, err := Registry(Options{Workspace: Workspace(n)})
	if err != nil {
		return nil, err
	}
	return r.Describe(), nil
}

// Workspace finds the source tree that a node works with: the one that its
// settings name, else the one around the working directory, else the one around the node's root. It is empty where there
// is none.
func Workspace(n config.Node) string {
	if n.Workspace != "" {
		return n.Workspace
	}
	for _, dir := range []string{".", n.Layout().Root} {
		if workspace, ok := dep.FindWorkspace(dir); ok {
			return workspace
		}
	}
	return ""
}
