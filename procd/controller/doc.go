// Package controller is procd: it composes the registry of specs, the runner and
// the supervisor of services with the bus.
//
// # Usage
//
//	daemon.Main(controller.Definition(process.Nursery()))
//
// # What it does
//
// It loads the specs, takes over the services of an earlier procd, and, once the
// launcher has come to the stage "services", starts what is wanted: what
// operators decided, else what the profile enables. Run alone it waits for nothing
// but the bus.
//
// A procd that comes back while its services run, and finds specs that are wrong
// by themselves or beside each other, takes none of them: it goes on with what was
// registered last (core_specs) and states specs.refused. One that begins a node
// ends with what is wrong. So it is with a record of operators' decisions that is
// no good: one that comes back goes on with what the bus knows and states
// decisions.damaged, then decisions.mended when something is recorded again.
//
// It follows the specs: what changes in their directories is read again and put
// into force, unless the settings leave that to the command apply. Wrong ones
// change nothing and are stated as specs.refused until they are right.
//
// It serves the commands enable, disable, start, stop, restart and reload of a
// service, and drain and apply of the node. Each is stated as accepted or rejected
// at once, and as completed or failed when what was asked for has come about or
// cannot. Commands that were under way when procd ended are taken up again.
//
// Beside that it keeps snapshots of the node's state, and aside what no fold
// understands.
//
// # Concurrency
//
// Run joins everything it starts.
//
// # Testing
//
// Against a real bus and real processes.
package controller
