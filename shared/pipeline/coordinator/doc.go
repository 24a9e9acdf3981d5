// Package coordinator runs pipelines on the bus of one node.
//
// # Usage
//
//	c, err := coordinator.New(coordinator.Options{
//		Node: "local", Bus: conn, Facts: facts, Pipelines: registry, Dir: "…/logs/runs",
//	})
//	err = c.Run(ctx, func(ctx context.Context) error { return daemon.Ready(ctx, nil) })
//
// It serves events.RunPipeline, whose entity is the new run's name, and
// events.CancelRun.
//
// # What a run leaves
//
// A run's journal on events.StreamRuns is what the run is: every entry is
// appended with its id as message id and with the sequence of the run's entry
// before, the intent before the effect and the outcome after it. Beside it the
// run's facts tell shells how it goes, and a step's lines go to the bus and to
// <Dir>/<run>/<step>.log. An entry that conflicts with another writer's ends
// the run here: the journal is the other's.
//
// # Interruption
//
// After a kill the journal says where each run stood. Completed steps are not
// carried out again; a step that was going on is, with the next attempt, after
// the processes it left are killed. Where the coordinator is asked to stop, steps
// are stopped the same way and go on after the next start.
//
// While the bus is away steps go on and their outcomes wait. A bus that comes
// back without its memory is given the journals of the runs that go on anew.
//
// # Concurrency
//
// Run has one goroutine per run, which alone writes the run's state, and one per
// step that is going on; it joins all of them.
//
// # Testing
//
// The tests use a real bus, real processes and, where it is killed, a real
// pipelined process: the test binary itself.
package coordinator
