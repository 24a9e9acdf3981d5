// Package site decides what the edge serves and writes it down as a
// configuration for Caddy, without importing Caddy: from the state of a node to
// sites ([Decide]), from sites to Caddy's JSON ([Render], [Routes]), and from one list
// of sites to the next to the facts that the edge states ([Ledger]).
//
// # Usage
//
//	sites := site.Decide(s)              // s is a state.State
//	config, err := site.Render(o)         // once
//	routes, err := site.Routes(o, sites)  // at each change
//
//	var ledger site.Ledger
//	ledger.Note(sites)                   // once per folded fact
//	for _, c := range ledger.Take(nil)   // when the sites are live
//		publisher.State(c.Service, c.Body, "")
//
// # What is served
//
// A service that registered routes has one site. It is open while the service
// runs and is healthy: its requests are forwarded. Otherwise it is closed: they
// are answered with 503, Retry-After and a page that says why. It is refused
// when the edge cannot serve it: a host or path that is none, an upstream that is
// no host:port, or a host and path that another service has; of two, the first by
// id keeps it. A refused site harms no other.
//
// Exact hosts go before hosts with a wildcard, those before routes for any host;
// within them longer path prefixes go first. Paths below /.core/ are the edge's
// own on every host. Everything else is answered with 404.
//
// # Facts
//
// [Ledger] states, for each service, the first time it sees it, route.closed and
// then, if it is open, route.opened; from then on each change, once, in order.
// Which facts an edge states about a service follows from the facts it read and
// not from how fast it read them.
//
// # Trust
//
// Names and reasons come from specs and processes. They are escaped for HTML, and
// for the placeholders of Caddy ({env.…}, {file.…}), which Caddy would otherwise
// replace in a page.
//
// # Concurrency
//
// Functions are pure. A Ledger belongs to one goroutine.
//
// # Testing
//
// testdata has the configuration and the routes that sites lead to;
// `go test -run TestRender -update` rewrites them. That Caddy does with them what
// is meant is tested in package caddy.
//
// # Sources
//
// Caddy's JSON configuration: https://caddyserver.com/docs/json/ as of v2.11.
package site
