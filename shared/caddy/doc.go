// Package caddy runs Caddy inside this process, as the edge of a node. It is the
// only package that links it; what Caddy is to do is decided in package site.
//
// # Usage
//
//	s := caddy.New(caddy.Options{Listen: "127.0.0.1:8080", Log: log})
//	go s.Run(ctx)
//	<-s.Ready()
//	refused, err := s.Apply(ctx, site.Decide(state))
//
// # Changes
//
// Caddy loads one configuration, [site.Render]. Its last handler is a table of
// routes, each with Caddy's own handlers behind it; Apply builds the routes that
// are new and then exchanges the table in one step. No request is dropped, no
// connection is closed, and a service does not notice that another one came or
// went.
//
// Loading a whole configuration for each change, Caddy's own way, was tried: the
// servers of the old configuration close connections that a client has opened
// but not used yet, and those that it keeps to use again. Of clients that open a
// connection for each request, one in some hundred requests during a reload ended
// with EOF.
//
// A site that Caddy rejects is refused; the others are served.
//
// # Modules
//
// The modules are those of a stock Caddy but for four: see standard.go. With Caddy
// 2.11.9 on two cores that takes the time before main from 42 ms of CPU to 28, and
// the binary from 85 MB to 76.
//
// # Concurrency
//
// Caddy is one per process, and so is a running [Server]. Its methods may be
// called by several goroutines; calls of Apply that wait at the same time become
// one change, the latest. Run joins what it starts.
//
// # Testing
//
// The tests load the real Caddy and forward to real servers on loopback. All
// share one server, because there is one Caddy.
package caddy
