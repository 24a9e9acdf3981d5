package harness

import (
	"testing"

	"core.internal/busd/bus"
	"core.internal/pipelined/pipeline"
	"core.internal/procd/controller"
	"core.internal/shared/daemon"
	"core.internal/shared/harness"
)

// Options and Node are those of shared/harness.
type (
	Options = harness.Options
	Node    = harness.Node
)

// Daemons are the daemons that can run in a test's own process: all but caddyd.
func Daemons() []daemon.Definition {
	return []daemon.Definition{bus.Definition(), controller.Definition(nil), pipeline.Definition()}
}

// Start brings a node up, and down when the test ends.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	o.Daemons = Daemons()
	return harness.Start(t, o)
}
