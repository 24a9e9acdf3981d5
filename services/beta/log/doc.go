// Package log is how beta logs: the platform's logger, beta's attribute names,
// and what a fact changed, at the level of debugging.
//
// # Usage
//
//	logger, err := log.New(os.Stderr, c)
//	tallied := log.Tallied(logger)
//	tallied(greeted)
//
// # Concurrency
//
// Everything may be used by several goroutines.
//
// # Testing
//
// The writer is passed in.
package log
