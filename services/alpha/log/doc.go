// Package log is how alpha logs: the platform's logger, alpha's attribute names,
// and greetings written no faster than somebody could read them.
//
// # Usage
//
//	logger, err := log.New(os.Stderr, c)
//	greetings := log.NewGreetings(logger, time.Now)
//	greetings.Write("Ada", 3)
//
// # Concurrency
//
// [Greetings] may be used by several goroutines.
//
// # Testing
//
// The clock is passed in.
package log
