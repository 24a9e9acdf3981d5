// Package state folds the facts of one node into one value, the only source of
// what any shell shows and what a command's outcome is.
//
// # Usage
//
//	s := state.New("local")
//	for r := range records {
//		s = state.Apply(s, r) // decodes and folds; never fails
//	}
//	o, ok := s.Outcome(command)
//
// [Fold] takes a decoded fact. Who folds many facts between two looks at the
// state uses a [Builder], which gives the same states and copies less.
// [EncodeSnapshot] and [DecodeSnapshot] keep a state beside the log, so that a
// reader begins at [State.Seq] instead of at the beginning. [Document] is the
// stable document for programs.
//
// # The fold
//
// There is one fold per aggregate. It is pure: time comes from the facts. A fact
// that its source may not state (a service that calls another one healthy), or
// that this build does not know, changes nothing but [State.Dead].
//
// Each field of a stage, service, route or run has the value that the latest of
// the facts which write it gave; no fact adds to what stood there. So these
// hold, and are tested:
//
//   - a replay of the log gives the same bytes as the live fold, from the
//     beginning as from any snapshot;
//   - the latest fact of each type of each entity, in their original order, give
//     the same stages, services, routes and runs as all facts. That is what a
//     publisher repeats to a bus that lost its memory.
//
// # States of a service
//
// The fact that leads to a state, and from which states a supervisor states it:
//
//	fact          to state    from
//	registered    idle        (none)
//	waiting       waiting     idle, waiting, scheduled, backoff, exited, completed, failed, stopped
//	scheduled     scheduled   idle, exited, completed, failed, scheduled, stopped (cron jobs only)
//	starting      starting    idle, waiting, scheduled, backoff, exited, completed, failed, stopped
//	started       running     starting; any, where the process was adopted
//	rerouted      (same)      running: its routes change
//	healthy       (same)      running: health becomes healthy
//	unhealthy     (same)      running: health becomes unhealthy
//	unready       (same)      running: health becomes unready
//	lines_dropped (same)      running
//	stopping      stopping    starting, running: it is being stopped, or ended and postStop runs
//	exited        exited      starting, running, stopping: nothing of the instance runs any more
//	backed_off    backoff     exited
//	completed     completed   exited
//	exhausted     failed      exited; any without a process, where this build cannot run it
//	stopped       stopped     idle, waiting, scheduled, backoff, exited, completed, failed
//	unregistered  (gone)      any
//
// A process exists in starting (perhaps), running and stopping only; ports,
// routes, pid and health are empty in all other states. A service does its work
// ([Service.Serving]) when it is running and healthy. An unhealthy one is ended,
// where its restart policy allows that; an unready one is left alone. The last fact decides,
// also where a supervisor broke the table.
//
// # States of a stage
//
//	pending → starting → ready → stopping → stopped; starting, ready → failed
//
// The start of stage 1 is a new boot: what an earlier boot left in the log about
// the other stages is pending again.
//
// # Concurrency
//
// A State is a value that shares its maps with others: nobody may write into
// them, everybody may read. A Builder belongs to one goroutine.
//
// # Testing
//
// testdata holds scripts of facts with the state they lead to;
// `go test -run TestFold -update` rewrites the expectations.
package state
