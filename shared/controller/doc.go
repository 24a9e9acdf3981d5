// Package controller decides what to do about the services of a node, from what
// is wanted and what was observed.
//
// # Usage
//
//	actions, next := controller.Decide(now, controller.Order(inputs))
//
// The caller carries the actions out, states them as facts, and asks again when
// something was observed or next has come. [Missing] explains a service that
// waits.
//
// # The decision
//
// A service is started when it is wanted and every dependency is healthy; all
// that can start do, in dependency order, ties by id. One that ended is started
// again, backed off, completed or given up by its restart policy; failed and
// completed ones stay so until an operator asks. A service that is not wanted is
// stopped after all that depend on it and are not wanted either. A request for a
// restart replaces the instance at once, and forgets what the policy remembers.
//
// A cron job is scheduled when it is wanted and started when the time has come
// that was stated then. The restart policy governs a run that fails; when it gives
// up, or the run ends well, the job is scheduled again. A time that comes while a
// run goes on, retries included, is left out, or replaces it. One that comes
// while nobody decides is left out too: an input that does not know when it is to
// run is scheduled from now on.
//
// A service that must wait says so once, with everything that it waits for then;
// it says so again only when something new holds it back. What a boot states
// about a service does therefore not depend on which dependency was faster.
//
// # Concurrency
//
// Everything is a pure function of its arguments.
//
// # Testing
//
// testdata has scripts: inputs as text, actions as text.
// `go test -run TestDecide -update` rewrites the expectations.
package controller
