// Package caddy composes shared/caddy into the daemon caddyd: it follows the
// node's facts, serves the routes of healthy services and states what it serves.
//
// # What is stated when
//
// The edge looks at the state after each fact, not at each moment, so the routes
// that it states follow from the facts alone: route.closed, then route.opened at
// the first sight of a service that serves, then every change. A fact is stated
// when what it says is served. The bucket of routes has the same, for other
// nodes; it is written beside.
//
// # When something dies
//
// While the bus is away the edge serves what it knew. When the bus comes back
// without its memory, the edge holds on to each open route until the state says
// about its service what it did before, or a few seconds longer than procd needs
// to tell it anew. A restarted edge begins with what the state says and states
// all of it anew: it had answered nobody in between.
//
// # Concurrency
//
// Three goroutines: Caddy's, one that follows facts and decides, one that applies
// and states. They end with the daemon's context.
//
// # Testing
//
// Against a real bus and a real Caddy, in this package's test binary.
package caddy
