// Package runner runs operating-system processes and finds those that an
// earlier runner left. It implements [process.Runner] and [process.Finder].
//
// # Usage
//
//	r := runner.New(runner.Options{Dir: layout.Run(), Sink: publish})
//	go r.Run(ctx) // until ctx ends; processes run on without it
//	p, err := r.Adopt(ctx, "alpha")
//	if p == nil && err == nil {
//		p, err = r.Start(ctx, command)
//	}
//	<-p.Done()
//	exit := p.Exit()
//
// When Run's context ends the runner lets go of its processes and the next runner
// on the same directory adopts them. Whoever wants them gone calls Stop first.
//
// # Where processes are forked
//
// A runner that has a [Nursery] forks processes from it: a thread that has a table of
// open files of its own, nearly empty, so that a start costs the same beside a thousand
// processes as beside none. With a control group or a wrapper, and without a nursery,
// any thread forks.
//
// # A process outlives its runner
//
// Every process leads a session of its own. Its stdout and stderr are FIFOs
// that it has open for reading and writing, so a missing reader makes it wait
// and never kills it; the next reader gets the very next byte. Bytes go from the
// FIFO to the log file with splice(2) before anyone looks at them: a runner killed
// at any moment loses none and repeats none.
//
// Options.Dir has a record for each id, a journal of JSON lines: the intent before
// the fork, pid and start time after it, each adoption, the exit. Pid, start time
// and boot id together are a process, and signals go through a pidfd opened before
// they were compared, so [Runner.Adopt] takes a process back and never a stranger
// that has its pid. A process whose runner died between intent and pid is found by
// the CORE_INSTANCE in its environment, or by the FIFOs it has open. The record of
// an ended instance stays until the id is started again, stopped or forgotten, so
// that an exit is not lost with the supervisor: see [Runner.Ended].
//
// How an adopted process ended is known only to its new parent. A [Reaper] in the
// launcher reaps it and writes the exit into the record, where the runner finds it;
// where they share no directory, [Runner.Reaped] tells it. The Reaper also keeps
// FIFOs open, so that the last words of a process which ends while nobody
// supervises it are there for the next runner.
//
// # What is gone
//
// Done is closed when the leader has ended, nothing of its process group is left,
// and what it wrote is on disk. Descendants that changed their session are found
// by CORE_INSTANCE or the FIFOs they hold: Stop waits for them too, and after an
// end that nobody asked for they are ended in the background. An instance's name
// must therefore be new with every start.
//
// # Usage of processes
//
// A [Meter] sums up what all processes of each instance use. Members of its session
// are known by their session alone; the environment of another is read once.
//
// # Output
//
// Bytes go to the log file first, verbatim, and then line by line to the Sink.
// Files are rotated between lines by size, carry the time in their names, and are
// kept for the command's Retention and up to its number of files. A command may ask
// for the time before each line of its files: then a runner that is killed at the
// wrong moment may write some lines twice, and loses none.
//
// Of a line the first 16 KiB travel, and how many bytes follow; the level is what
// [core.internal/shared/process/logline] makes of it. Lines that belong together
// travel as one once another begins, or nothing came for a tenth of a second. What
// travels is limited per second and stream, or by the command's rate; what did not
// is counted in the Dropped of the next that does, which the last one always is. A
// slow Sink drops lines and never delays the child; it is waited for, a second at
// most, with the last words of a process. A full disk costs output, which is
// counted and logged, still goes to the Sink, and never blocks the child.
//
// A command's Pattern is looked for in every line until one matches, whether it
// travels or not; that is in the record, so the next runner knows.
//
// # Concurrency
//
// A Runner and its processes may be used by several goroutines. Run waits for all
// processes and streams in one goroutine, hands lines to the Sink in another, and
// begins more only where there is something to do; it joins them before it returns.
// What was started before Run is watched from then on. A nursery is its owner's.
//
// # Testing
//
// The tests run real processes: the test binary executes itself.
//
// # Sources
//
// pidfd_open(2), pidfd_send_signal(2), fifo(7), splice(2), proc(5), epoll(7),
// prctl(2) PR_SET_CHILD_SUBREAPER, unshare(2) CLONE_FILES. Linux 5.4 or later only;
// process groups are signalled as one from Linux 6.9, member by member before.
package runner
