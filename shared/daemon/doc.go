// Package daemon is the one main that every daemon shares: settings, log,
// metrics and health on loopback, the bus connection, presence, the ready and
// stopped facts, and signals.
//
// # Usage
//
// A daemon is a [Definition]; its main.go is
//
//	func main() { daemon.Main(controller.Definition()) }
//
// [Definition].Run does the work. It calls [Daemon.Ready] once it serves, and
// returns when its context ends. Exec is the whole program as a function, for
// tests and for the harness, which runs daemons in its own process.
//
// # Order
//
// The bus connection outlives the work, so that the work's last facts and the
// stopped fact are acknowledged before the connection closes; busd's broker
// outlives the connection. Run alone, a daemon waits for CORE_BUS_URL and says
// so. Under a launcher (settings stage and boot) it loads at once but states
// nothing before the launcher has come to its stage: see [Daemon.Await].
//
// # Concurrency
//
// Exec runs the actors of a daemon and returns when all have ended.
package daemon
