// Package process is procd's side of running services: the runner with its lines
// on the bus, the builder of instances, and the figures of each service as
// metrics.
//
// # Concurrency
//
// [New] starts nothing. [Processes.Run] runs the runner and must outlive the
// supervisor that uses it.
package process
