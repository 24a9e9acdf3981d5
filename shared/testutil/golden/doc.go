// Package golden runs the txtar archives of a testdata directory, in which the
// input stands beside what is expected of it, and rewrites them.
//
// # Usage
//
//	var update = flag.Bool("update", false, "rewrite the expectations under testdata")
//
//	golden.Scripts(t, *update, "in", func(t *testing.T) golden.Script { … })
//	golden.Errors(t, *update, "testdata/parse.txtar", func(t *testing.T, name string, data []byte) error { … })
//
// # Concurrency
//
// All functions are called by the goroutine of the test.
//
// # Testing
//
// The package is for tests only.
package golden
