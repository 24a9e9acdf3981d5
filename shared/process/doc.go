// Package process is the vocabulary of supervised processes and the policy that
// says when one is started again.
//
// # Usage
//
// A [Runner] starts a [Command] as a [Process]; package process/runner has the
// one for real processes. When an instance ends, its supervisor adds the end to
// the [History] and asks the [Policy]:
//
//	p := process.DefaultPolicy(spec.RestartOnFailure)
//	h = p.Record(h, process.End{At: now, Reason: "exit status 1"})
//	switch v := p.Verdict(h); v.Next { … }
//
// # The policy
//
// Restart "always" starts again after every end, "on-failure" (the default)
// after every end but an exit with status 0, "never" never. The first restart is
// immediate, further ones back off exponentially. Too many ends within a window
// are final; a healthy uptime long enough forgives all that came before it, and
// so does an operator's request.
//
// # Concurrency
//
// Policy, history and verdict are values; nothing here has a clock or
// randomness. A Runner and a Process may be used by several goroutines.
//
// # Testing
//
// testdata has scripts of ends with the verdicts that follow.
package process
