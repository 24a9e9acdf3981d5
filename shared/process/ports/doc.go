// Package ports finds out who listens on a port, finds free ones and remembers
// which service of this node has which.
//
// # Usage
//
//	if h, ok := ports.HolderOf(8080); ok { … h.PID, h.Command, h.User … }
//
// A supervisor takes the ports of each service from one [Book]: a fixed port, or
// any free one where the wanted port is 0, if possible the one that the service
// had before. A fixed port that somebody holds is a [*HeldError].
//
// A port taken is not bound: the service binds it itself. In between another
// process may be faster; then the service fails and is started again by its
// restart policy.
//
// # Concurrency
//
// A Book may be used by several goroutines.
//
// # Testing
//
// The tests listen on loopback ports of their own.
//
// # Sources
//
// proc_net_tcp and proc_pid_fd of the Linux manual pages. Where there is no
// /proc a holder is not found, and the message says only that the port is held.
package ports
