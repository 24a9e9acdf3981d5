// Package testnode has the smallest daemons that make a node: a real bus, an edge
// that only says that it is well, a controller that says of services what a test
// wants said, and a coordinator without pipelines. They are to the tests of
// shared what the real daemons, which shared may not import, are to those of ci.
//
// # Usage
//
//	n := harness.Start(t, harness.Options{Daemons: testnode.Daemons(testnode.Procd{})})
//
// # Concurrency
//
// A definition serves one node.
//
// # Testing
//
// The package is for tests only.
package testnode
