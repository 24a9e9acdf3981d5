// Package ui shows beta's tally to people: as a web page to a browser and as
// text to anything else. It shows what it is given and asks nobody.
//
// # Usage
//
//	handler := ui.Handler(tally.Counts)
//	mux.Handle("GET /{$}", handler)
//	mux.Handle("GET /assets/", handler)
//
// # Concurrency
//
// The handler may be used by several goroutines.
//
// # Testing
//
// The tests compare what is shown for a given tally, hostile names among them.
package ui
