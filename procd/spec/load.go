package spec

import (
	"errors"
	"slices"

	"core.internal/shared/config"
	"core.internal/shared/spec"
)

// Load reads the node's specs and checks them beside each other. Those that are
// right are returned beside the errors of the others, each replica as a spec of
// its own.
func Load(c config.Node, workspace string) ([]spec.Located, error) {
	specs, err := spec.Load(Dirs(c, workspace))
	return spec.WithReplicas(specs), errors.Join(err, spec.Check(specs))
}

// Dirs is where the node's specs are.
func Dirs(c config.Node, workspace string) spec.Dirs {
	return spec.Dirs{Workspace: workspace, Root: c.Layout().Root, Extra: c.Specs}
}

// Last returns the specs to go on with where those that are found are wrong:
// what was registered last. Where the bus has lost it, what is found stands in,
// as far as it says the same as it did then.
func Last(registered, found []spec.Located, digests map[spec.ServiceID]string) []spec.Located {
	known := map[spec.ServiceID]bool{}
	for _, s := range registered {
		known[s.ID] = true
	}
	last := slices.Clone(registered)
	for _, s := range found {
		if d, ok := digests[s.ID]; ok && d == s.Digest && !known[s.ID] {
			last = append(last, s)
		}
	}
	return last
}
