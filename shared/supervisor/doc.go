// Package supervisor keeps processes as they are wanted: procd's services, and
// the launcher's daemons.
//
// # Usage
//
//	s := supervisor.New(supervisor.Options{
//		Node: node, Source: events.Procd, Facts: publisher, Runner: runner, Build: services.Build,
//	})
//	go s.Run(ctx)
//	err := s.Register(ctx, specs)          // known, and adopted where they run already
//	err = s.Desire("alpha", true, command) // wanted; what is wanted happens by itself
//	_, err = s.WaitService(ctx, "alpha", state.Service.Serving)
//
// [Services] is the Build for services; a launcher brings its own. [Services]
// gives a service the ports of its spec, makes its directories and what its spec
// ensures, inside the node directory but for what the spec says is outside, and
// gives it an environment, an account and secrets. Hooks run before an instance,
// as part of its start, and after its end, before the next; both in its
// environment and as its user.
//
// [Supervisor.Revise] takes specs that were read again: services are added,
// replaced, or end and are forgotten; the others have what changed at once, or
// from their next start. [Supervisor.Reload] sends a process the signal by which
// it reads its own configuration again. A cron job is scheduled instead of run:
// the controller says when its next run is due, and what becomes of one that
// still goes on.
//
// # How it works
//
// One goroutine owns all there is to decide about. Whatever happens (a request,
// an exit, a verdict of the health prober, a timer) is posted to it; it asks the
// controller what to do about it, states the facts, and hands what takes time to
// goroutines of their own, which post what came of it. A fact is stated before
// what it announces is done (service.starting, service.stopping) and after what
// it reports. Facts are folded here at once and handed to a [Stater] that does
// not block, so supervision does not need the bus. While more is to be started than
// can be at once, decisions rest between two and [Options.Hold] lets the Stater keep
// facts back: they are folded here at once all the same, and reach others late.
//
// The facts about one service have the same order in every boot: see package
// controller on waiting.
//
// # Outliving a supervisor
//
// Register asks the runner for the instance of an earlier supervisor. One that
// runs is stated as started, adopted, and checked from then on; it is not
// started again, and keeps its ports and its restart count. One that has ended
// meanwhile is stated as exited. [Supervisor.Orphans] ends what runs without a
// spec.
//
// # Concurrency
//
// All methods may be called by several goroutines, those that change something
// once Run runs or is about to: they return when Run has taken the change.
//
// # Testing
//
// The logic is tested in virtual time against a runner of scripted processes,
// and the whole with real ones.
package supervisor
