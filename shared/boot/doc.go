// Package boot brings a node up and down: the graph config → bus → edge →
// controller → pipelines → services → shells, the same on a laptop, in a test
// and in a cluster.
//
// # Usage
//
//	n, err := boot.New(boot.Options{Config: node, Progress: show})
//	err = n.Run(ctx) // up, then until ctx ends or somebody asks for a shutdown, then down
//
// [Node.Run] takes the stages in order. A stage is ready when what it promises
// answers, not when its process runs. The first stage that fails stops the
// boot: its error is a [*StageError] with cause, last log lines and fix, and
// what had started is taken down in reverse.
//
// # Processes
//
// The four daemons are started in fixed order as soon as their settings are
// known, so that they load beside each other; each states that it is ready only
// after the stage before its own. They are supervised by shared/supervisor with
// the runner that procd uses for services, and a daemon that outlived an
// earlier launcher is adopted instead of started.
//
// # Facts
//
// Every stage is stated as stage.starting, ready, failed, stopping and stopped,
// with the id of the boot as cause. Facts from before the bus is there are
// queued. What a boot states is the same every time; see [events.Transcript].
//
// # Testing
//
// shared/harness runs this graph with the daemons in the test's own process.
package boot
