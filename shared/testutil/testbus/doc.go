// Package testbus runs a real bus for a test, which may take it away and bring it
// back: with its memory store everything is lost in between.
//
// # Usage
//
//	b := testbus.Start(t, "alpha")
//	c := b.Connect("alpha")
//	b.Restart()
//
// # Concurrency
//
// A [Bus] is used by one goroutine at a time.
//
// # Testing
//
// The package is for tests only. What it starts ends with the test.
package testbus
