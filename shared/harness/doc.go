// Package harness brings a whole node up inside a test: the same boot graph as
// `launcher up`, an in-memory bus, no fixed ports, the daemons in the test's own
// process so that the race detector sees them, and real child processes for
// services. caddyd is a child process too, because Caddy is one per process, and
// it is left out where [Options].Edge is false.
//
// # Usage
//
//	n := harness.Start(t, harness.Options{Daemons: daemons, Edge: true})
//	n.Wait("alpha is healthy", func(s state.State) bool { … })
//
// The node is taken down when the test ends, and the test fails if a process
// or a listener of the node is left. Whether goroutines are left is for the
// test binary's TestMain to check with goleak, since tests run in parallel.
//
// # Concurrency
//
// Start may be called by parallel tests. The methods of one Node may be called
// from several goroutines.
package harness
