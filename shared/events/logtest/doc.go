// Package logtest is the conformance suite of events.Log: what every log does,
// in memory or on the bus.
//
// # Usage
//
//	func TestMemLog(t *testing.T) {
//		logtest.Run(t, func(t *testing.T) events.Log { return &events.MemLog{} })
//	}
//
// # Concurrency
//
// The suite's tests run one after the other; one of them appends from several
// goroutines.
//
// # Testing
//
// Both logs of the platform pass it.
package logtest
