// Package log is how the console logs: the platform's logger, with whatever could
// let somebody in left out of every line.
//
// # Usage
//
//	logger, err := log.New(os.Stderr, c, token)
//
// # Concurrency
//
// Loggers may be used by several goroutines.
//
// # Testing
//
// The writer is passed in; the tests log a token in every way they can think of.
package log
