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
// # Reloads
//
// Each list of sites is a configuration of its own; Caddy takes it in about a
// millisecond and drops no request. One socket serves all configurations, because
// a socket for each, which is what Caddy does by itself, lets the kernel reset
// what waits in the old one's queue, and shares a port with any other Caddy of the
// same user without a word. Responses that stream and upgraded connections go on
// under the configuration that they began with.
//
// A configuration that Caddy rejects leaves the one before it in place. Then each
// site is tried, and only those at fault are left out.
//
// # Why all standard modules
//
// Measured on two cores with Caddy 2.11.9, ten starts each: all of
// modules/standard 29 ms from start to the first answer, 52 MB resident, 82 MB on
// disk; only the modules that an edge needs (HTTP, proxy, files, templates, TLS,
// PKI, metrics) 29 ms, 55 MB and 79 MB. What costs time is initialised by either.
//
// # Concurrency
//
// Caddy is one per process, and so is a running [Server]. Its methods may be
// called by several goroutines; calls of Apply that wait at the same time become
// one configuration, the latest. Run joins what it starts.
//
// # Testing
//
// The tests load the real Caddy and forward to real servers on loopback. All
// share one server, because there is one Caddy.
package caddy
