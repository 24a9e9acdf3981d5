// Package harness composes shared/harness with the daemons of this repository:
// a test that starts it runs busd, procd and pipelined in its own process.
//
// # Usage
//
//	n := harness.Start(t, harness.Options{Profiles: []string{"default"}, Edge: true})
//
// See shared/harness for what a node offers and how it is checked at its end.
package harness
