package spec

import (
	"errors"

	"core.internal/shared/config"
	"core.internal/shared/spec"
)

// Load reads the node's specs and checks them beside each other. Those that are
// right are returned beside the errors of the others, each replica as a spec of
// its own.
func Load(c config.Node, workspace string) ([]spec.Located, error) {
	specs, err := spec.Load(spec.Dirs{Workspace: workspace, Root: c.Layout().Root, Extra: c.Specs})
	return spec.WithReplicas(specs), errors.Join(err, spec.Check(specs))
}
