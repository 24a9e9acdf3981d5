// Package process is what beta does: it reads the greetings that alpha states as
// facts and serves the tally over HTTP.
//
// # Usage
//
//	tally := process.NewTally()
//	err := service.Run(ctx, service.Options{ID: "beta", Handler: process.Handler(tally, page), Work: process.Work(tally, nil), …})
//
// # Guarantees
//
// Facts carry absolute counts, so it does not matter whether one comes twice or
// an older one after a newer one. A fact is acknowledged once what it changed is
// in beta's own bucket, so a restarted beta goes on where it was. A bus that lost
// its memory gets back what beta had; the consumer begins at the beginning of
// the new stream, in which alpha states its counts again. A series of counts that
// began later replaces the earlier one.
//
// # Concurrency
//
// A [Tally] may be used by several goroutines; one Work changes it.
//
// # Testing
//
// The tests use a real bus, killed and started again where that is the point.
package process
