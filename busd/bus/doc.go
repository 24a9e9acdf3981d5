// Package bus makes the daemon busd of shared/bus/server: it mints the keys that
// a broker needs, runs the server, states who was turned away, and exports the
// server's statistics.
//
// # Usage
//
//	func main() { daemon.Main(bus.Definition()) }
//
// Run alone, `go run ./busd` is a usable broker: it says where it listens and
// where the operator's credential is.
//
// # Concurrency
//
// Each [Definition] is good for one daemon at a time.
//
// # Testing
//
// The tests run the whole daemon in their own process and connect to it.
package bus
