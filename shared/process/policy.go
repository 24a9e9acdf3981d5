package process

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"core.internal/shared/spec"
)

// Policy says when a process that ended is started again. Start from
// [DefaultPolicy].
type Policy struct {
	Restart spec.RestartPolicy
	// The first restart after an end is immediate; the second waits Initial and
	// each further one Factor times as long, up to Max.
	Initial, Max time.Duration
	Factor       float64
	// Jitter is the part of each pause, from 0 to 1, that may be cut off; how
	// much is depends on Seed and the number of the restart alone.
	Jitter float64
	Seed   string
	// Budget is how many ends within Window are too many: the last of them is
	// not followed by a restart.
	Budget int
	Window time.Duration
	// Reset is how long an instance must have been healthy for all ends before
	// it to be forgotten.
	Reset time.Duration
}

// DefaultPolicy restarts at once, then after 100 ms, doubling up to 30 s; the
// seventh end within a minute, which comes no sooner than 3.1 s after the first,
// is final; ten seconds of healthy uptime forgive everything.
func DefaultPolicy(r spec.RestartPolicy) Policy {
	if r == "" {
		r = spec.RestartOnFailure
	}
	return Policy{
		Restart: r,
		Initial: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2,
		Budget: 7, Window: time.Minute,
		Reset: 10 * time.Second,
	}
}

// ever is a time that does not pass.
const ever = time.Duration(math.MaxInt64)

// PolicyOf is the policy that a spec asks for. Its id is the seed. What runs to
// an end is not forgiven for the time that it took, unless the spec says when.
func PolicyOf(s spec.Service) Policy {
	r := s.Process.RestartPolicy
	p := DefaultPolicy(r.Policy)
	if s.Process.Type == spec.TypeOneshot || s.Process.Type == spec.TypeCron {
		p.Window, p.Reset = ever, ever
	}
	p.Initial, p.Max = r.InitialBackoff.Or(p.Initial), r.MaxBackoff.Or(p.Max)
	p.Window, p.Reset = r.Budget.Window.Or(p.Window), r.ResetAfter.Or(p.Reset)
	p.Factor = cmp.Or(r.Factor, p.Factor)
	p.Jitter, p.Seed = r.Jitter, string(s.ID)
	if n := r.Budget.Restarts; n > 0 {
		p.Budget = n + 1 // the end after the last restart
	}
	return p
}

// End is how an instance ended, or failed to start.
type End struct {
	At     time.Time
	OK     bool   // it exited by itself with status 0
	Reason string // in words: "exit status 1", "unhealthy: connection refused"
	// HealthySince is when it last became healthy; zero if it was not.
	HealthySince time.Time
	// Expected: the supervisor ended it for an operator; no policy applies.
	Expected bool
	// Permanent: starting it again cannot help, as with a missing executable.
	Permanent bool
	// Unstarted: it never ran.
	Unstarted bool
}

// History is what a policy remembers of one process. The zero value is a process
// that has not ended yet.
type History struct {
	Last End `json:"last,omitzero"`
	// Ended is false in the zero value, and after a request to begin anew.
	Ended  bool        `json:"ended,omitempty"`
	Streak int         `json:"streak,omitempty"` // ends since the last healthy uptime of Reset
	Recent []time.Time `json:"recent,omitempty"` // ends within Window, oldest first
	Ran    bool        `json:"ran,omitempty"`    // one of the ends in a row was of an instance that ran
}

// remembered is how many ends a [History.Brief] has at most.
const remembered = 32

// Brief is h without its last end, and with no more than the latest of the ends in its
// window: for keeping.
func (h History) Brief() History {
	h.Last, h.Recent = End{}, h.Recent[max(0, len(h.Recent)-remembered):]
	return h
}

// Record adds an end. It does not change h.
func (p Policy) Record(h History, e End) History {
	if e.Expected {
		return History{Last: e}
	}
	n := History{Last: e, Ended: true, Streak: h.Streak + 1, Ran: h.Ran || !e.Unstarted}
	if !e.HealthySince.IsZero() && e.At.Sub(e.HealthySince) >= p.Reset {
		n.Streak, n.Ran = 1, true
		h.Recent = nil
	}
	for _, t := range h.Recent {
		if e.At.Sub(t) < p.Window {
			n.Recent = append(n.Recent, t)
		}
	}
	n.Recent = append(n.Recent, e.At)
	return n
}

// Next is what follows an end.
type Next string

// What follows.
const (
	StartAgain Next = "start"    // at Verdict.At
	Complete   Next = "complete" // it is done
	GiveUp     Next = "give up"  // until an operator asks
)

// Verdict is a policy's decision.
type Verdict struct {
	Next   Next
	At     time.Time // for StartAgain; not after the last end if at once
	Reason string
}

// Verdict decides what follows h. It depends on nothing else, so it may be asked
// again at any time.
func (p Policy) Verdict(h History) Verdict {
	switch {
	case !h.Ended:
		return Verdict{Next: StartAgain}
	case h.Last.OK && p.Restart != spec.RestartAlways:
		return Verdict{Next: Complete}
	case h.Last.Permanent:
		return Verdict{Next: GiveUp, Reason: h.Last.Reason}
	case p.Restart == spec.RestartNever:
		return Verdict{Next: GiveUp, Reason: h.Last.Reason + "; its restart policy is never"}
	case p.Budget > 0 && len(h.Recent) >= p.Budget:
		over := h.Recent[len(h.Recent)-1].Sub(h.Recent[0])
		most := fmt.Sprintf("at most %d restarts", p.Budget-1)
		if p.Window < ever {
			most = fmt.Sprintf("at most %d in %s", p.Budget-1, p.Window)
		}
		what := "ended"
		if !h.Ran {
			what = "could not be started"
		}
		return Verdict{Next: GiveUp, Reason: fmt.Sprintf("%s %d times within %s (%s): %s", what, len(h.Recent), round(over), most, h.Last.Reason)}
	}
	return Verdict{Next: StartAgain, At: h.Last.At.Add(p.Delay(h.Streak)), Reason: h.Last.Reason}
}

// Delay is how long the restart after the nth end in a row waits.
func (p Policy) Delay(n int) time.Duration {
	if n <= 1 || p.Initial <= 0 {
		return 0
	}
	d := float64(p.Initial) * math.Pow(max(p.Factor, 1), float64(n-2))
	d = min(d, float64(p.Max)) * (1 - p.Jitter*p.fraction(n))
	return time.Duration(d)
}

// fraction is a number from 0 to below 1 that looks random and is not.
func (p Policy) fraction(n int) float64 {
	if p.Jitter == 0 {
		return 0
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", p.Seed, n))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
