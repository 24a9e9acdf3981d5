// Package runner runs operating-system processes and finds those that an
// earlier runner left. It implements [process.Runner].
//
// # Usage
//
//	r := runner.New(runner.Options{Dir: layout.Run(), Sink: publish})
//	p, err := r.Start(ctx, command)
//	<-p.Done()
//	exit := p.Exit()
//
// # A process outlives its runner
//
// Every process leads a session of its own. Its stdout and stderr are FIFOs
// that it has open for reading and writing, so a missing reader makes it wait
// and never kills it; the next reader gets the very next byte. A record in
// Options.Dir tells pid, start time and boot id, so [Runner.Adopt] takes a
// process back and never a stranger that has its pid. The record is written as
// an intent before the fork; a process whose runner died in between is found by
// the CORE_INSTANCE in its environment. How an adopted process ended is known
// only to its new parent: a [Reaper] in the launcher reaps it, and
// [Runner.Reaped] tells the runner.
//
// # Output
//
// Bytes go to the log file first, verbatim, and then line by line to the Sink.
// Files are rotated by size and kept for the command's Retention. A full disk
// costs output, which is counted in the log, and never blocks the child.
//
// # Concurrency
//
// A Runner and its processes may be used by several goroutines. There is no
// thread and no goroutine with a buffer for an idle process: pidfds and FIFOs
// wait in the network poller.
//
// # Sources
//
// pidfd_open(2), pidfd_send_signal(2), fifo(7), proc(5), prctl(2)
// PR_SET_CHILD_SUBREAPER. Linux only.
package runner
