// Package process is what alpha does: it counts greetings, per name and in all,
// over HTTP. The count is kept in alpha's own bucket on the bus, changed by
// compare-and-set, and every greeting is stated as a fact with the count it led
// to.
//
// # Usage
//
//	counter := process.NewCounter(process.Limits{Names: 1000})
//	handler := process.Handler(counter)
//	err := service.Run(ctx, service.Options{ID: "alpha", Handler: handler, Work: process.Work(counter), …})
//
// # Guarantees
//
// A greeting is answered with its count only once the bus has it. Requests that
// arrive together are stored together. A bus that lost its memory gets back what
// alpha had, and all counts are stated again. Where the bus does not answer in
// time the answer is 503: the greeting may or may not have been counted.
//
// # Concurrency
//
// A [Counter] may be used by several goroutines; one [Counter.Run] stores what
// they ask for. Several processes of alpha may share one bucket.
//
// # Testing
//
// The tests use a real bus, killed and started again where that is the point.
package process
