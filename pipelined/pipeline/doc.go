// Package pipeline makes the daemon pipelined: it gives the coordinator of
// shared/pipeline the built-in pipelines, the bus's object store and the node's
// directories.
//
// # Usage
//
//	daemon.Main(pipeline.Definition())
//
// Run alone, pipelined waits for the bus that CORE_BUS_URL names.
//
// # Concurrency
//
// One pipelined per node: a second one takes its runs over.
//
// # Testing
//
// The coordinator is tested in shared/pipeline/coordinator; the daemon is tested
// here, against a real bus.
package pipeline
