// Package process is what the console does while it is connected: it folds the
// node's facts into a view, shows that on its pages and sends what people ask for
// as commands.
//
// # Usage
//
//	pages, err := web.New(…)
//	err = service.Run(ctx, service.Options{ID: events.Console, Handler: pages, Work: process.Work(pages), Drain: pages.Drain, …})
//
// # Concurrency
//
// [Work] returns a function that is called once.
//
// # Testing
//
// The tests run the console on a real bus and ask it over HTTP.
package process
