// Package dep says what beta depends on: its spec, which the binary carries,
// and whether what started it kept the spec's promises.
//
// # Usage
//
//	s, err := dep.Parse(document)
//	err = dep.Check(s, c)
//
// # Concurrency
//
// All functions are pure.
//
// # Testing
//
// The tests read the real service.json.
package dep
