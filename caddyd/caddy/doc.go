// Package caddy composes shared/caddy into the daemon caddyd: it follows the
// node's facts, serves the routes of healthy services and states what it serves.
//
// # Facts
//
// A route is stated closed before it is first stated open, so that every boot
// tells the same story, and after Caddy serves it that way. While the bus is
// away the edge goes on with what it knew.
package caddy
