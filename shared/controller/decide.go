package controller

import (
	"slices"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Input is what is wanted of one service and what was observed of it. A
// condition, such as the platform stage "core.bus", is an input too: services
// may depend on it.
type Input struct {
	ID string
	// Condition: ID is no service but holds, or does not (Met).
	Condition bool
	Met       bool

	// Dependencies are what must hold before it starts: of services as their
	// conditions say, of conditions that they are met.
	Dependencies []spec.Dependency
	Want         bool
	Why          string // why it is not wanted
	// Restart is the last request for a new instance, Answered the one that the
	// present or last instance was started for.
	Restart, Answered events.ID
	// Held: it is not to start yet, and nothing is to be said about that.
	Held bool
	// Unusable says why it can never start.
	Unusable string

	State   state.ServiceState
	Health  state.Health
	Detail  string // why it is unhealthy or unready
	Policy  process.Policy
	History process.History
	// Waited is [Action.Keys] of the last Wait while it still waits.
	Waited []string

	// Schedule is a cron job's, nil for everything else, and Next when it runs
	// next: [Action.Next] of the last Schedule, or of the last Start where that is
	// not zero; zero where neither was said yet.
	Schedule spec.Schedule
	Next     time.Time
	Replace  bool // a run that is due ends the one that goes on
}

// Verb is what is to be done.
type Verb string

// Verbs, each with the fact in which it results.
const (
	Start    Verb = "start"    // service.starting, then what becomes of it
	Stop     Verb = "stop"     // service.stopping, then service.exited
	Wait     Verb = "wait"     // service.waiting
	BackOff  Verb = "back off" // service.backed_off
	Complete Verb = "complete" // service.completed
	Fail     Verb = "fail"     // service.exhausted
	Settle   Verb = "settle"   // service.stopped
	Schedule Verb = "schedule" // service.scheduled
)

// NextRunDue is the reason for the stop of a run that another replaces.
const NextRunDue = "its next run is due"

// Action is one thing to do.
type Action struct {
	Verb   Verb
	ID     string
	Reason string
	On     []string  // Wait: the dependencies that do not hold
	Keys   []string  // Wait: what to remember in [Input.Waited]
	Until  time.Time // BackOff
	Sick   bool      // Stop: the restart policy decides what follows
	Anew   bool      // Start: what the policy remembers is about an earlier run
	// Next is when a cron job runs next: of a Schedule, and of a Start where the
	// next run may replace this one.
	Next time.Time
	// Request is the restart request that a Start or Fail answers.
	Request events.ID
}

// Decide says what to do now, and when to ask again though nothing changed (zero
// for never). The inputs stand in dependency order, see [Order]; starts and what
// concerns services that are down come first, in that order, then stops in
// reverse.
//
// It is level-triggered: it depends on its arguments only, and asked again
// before anything was done it says the same.
func Decide(now time.Time, in []Input) ([]Action, time.Time) {
	return NewGraph(in).Decide(now, in)
}

// Graph knows where in a list of inputs each id stands. It saves who decides
// often about the same services the cost of finding out.
type Graph struct{ index map[string]int }

// NewGraph is for lists with the ids of in at the same places.
func NewGraph(in []Input) *Graph {
	g := &Graph{index: make(map[string]int, len(in))}
	for i := range in {
		g.index[in[i].ID] = i
	}
	return g
}

// Decide is the package's Decide.
func (g *Graph) Decide(now time.Time, in []Input) ([]Action, time.Time) {
	d := g.begin(now, in)
	for i := range in {
		d.forward(i)
	}
	d.reverse()
	return d.actions, d.next
}

func (g *Graph) begin(now time.Time, in []Input) *decision {
	d := &decision{now: now, in: in, index: g.index, state: make([]state.ServiceState, len(in))}
	for i := range in {
		d.state[i] = in[i].State
	}
	return d
}

type decision struct {
	now     time.Time
	in      []Input
	index   map[string]int
	state   []state.ServiceState // as the actions so far will make them
	actions []Action
	next    time.Time
}

// forward decides about everything but the stop of what is not wanted.
func (d *decision) forward(i int) {
	s := &d.in[i]
	switch {
	case s.Condition:
	case s.State == state.ServiceStarting, s.State == state.ServiceRunning:
		if s.Want {
			d.replace(i)
		}
	case s.State == state.ServiceStopping:
	case !s.Want:
		if s.State != state.ServiceIdle && s.State != state.ServiceStopped {
			d.do(i, state.ServiceStopped, Action{Verb: Settle, Reason: s.Why})
		}
	default:
		d.start(i)
	}
}

// replace ends an instance that is wanted but not as it is.
func (d *decision) replace(i int) {
	s := &d.in[i]
	if s.Replace && s.Next.After(d.now) {
		d.wake(s.Next)
	}
	switch {
	case s.asked():
		d.do(i, state.ServiceStopping, Action{Verb: Stop, Reason: "restart requested"})
	case s.Replace && s.due(d.now):
		d.do(i, state.ServiceStopping, Action{Verb: Stop, Reason: NextRunDue})
	case s.State == state.ServiceRunning && s.Health == state.HealthUnhealthy && s.Policy.Restart != spec.RestartNever:
		d.do(i, state.ServiceStopping, Action{Verb: Stop, Reason: state.Unhealthy + s.Detail, Sick: true})
	}
}

// due reports whether the time of a cron job's next run has come.
func (s *Input) due(now time.Time) bool { return !s.Next.IsZero() && !s.Next.After(now) }

// asked reports whether an operator asked for another instance.
func (s *Input) asked() bool { return s.Restart != "" && s.Restart != s.Answered }

// start decides about a wanted service that is down.
func (d *decision) start(i int) {
	s := &d.in[i]
	if s.Unusable != "" {
		if s.State != state.ServiceFailed || s.asked() {
			d.do(i, state.ServiceFailed, Action{Verb: Fail, Reason: s.Unusable, Request: s.Restart})
		}
		return
	}
	anew := s.asked()
	if s.Schedule != nil && !anew {
		if s.Held {
			return
		}
		if anew = s.due(d.now); !anew && !d.goesOn(i) {
			d.schedule(i, "")
			return
		}
		if !anew {
			d.wake(s.Next)
		}
	}
	if !anew {
		switch s.State {
		case state.ServiceCompleted, state.ServiceFailed:
			return
		case state.ServiceExited, state.ServiceBackoff:
			if !d.due(i) {
				return
			}
		}
	}
	if s.Held {
		return
	}
	on, keys, reason := d.unmet(i)
	switch {
	case len(on) == 0:
		a := Action{Verb: Start, Request: s.Restart, Anew: anew}
		if s.Replace {
			a.Next = s.Schedule.Next(d.now)
			d.wake(a.Next)
		}
		d.do(i, state.ServiceStarting, a)
	case s.State != state.ServiceWaiting || !subset(keys, s.Waited):
		d.do(i, state.ServiceWaiting, Action{Verb: Wait, Reason: reason, On: on, Keys: keys})
	}
}

// goesOn reports whether a run of a cron job that is down has not come to its
// end: it failed, and the restart policy has a say.
func (d *decision) goesOn(i int) bool {
	s := &d.in[i]
	switch s.State {
	case state.ServiceExited, state.ServiceBackoff, state.ServiceWaiting:
		return s.History.Ended
	}
	return false
}

// schedule says when a cron job runs next, where that has not been said.
func (d *decision) schedule(i int, failed string) {
	s := &d.in[i]
	next := s.Next
	if s.State != state.ServiceScheduled || next.IsZero() || failed != "" {
		if next = s.Schedule.Next(d.now); next.IsZero() {
			return // never again
		}
		d.do(i, state.ServiceScheduled, Action{Verb: Schedule, Next: next, Reason: failed})
	}
	d.wake(next)
}

// wake asks for another decision at a time.
func (d *decision) wake(at time.Time) {
	if !at.IsZero() && (d.next.IsZero() || at.Before(d.next)) {
		d.next = at
	}
}

// due applies the restart policy to a service that ended, and reports whether
// the time for another instance has come.
func (d *decision) due(i int) bool {
	s := &d.in[i]
	switch v := s.Policy.Verdict(s.History); {
	case v.Next == process.Complete:
		d.do(i, state.ServiceCompleted, Action{Verb: Complete})
		if s.Schedule != nil {
			d.schedule(i, "")
		}
		return false
	case v.Next == process.GiveUp:
		d.do(i, state.ServiceFailed, Action{Verb: Fail, Reason: v.Reason, Request: s.Answered})
		if s.Schedule != nil {
			d.schedule(i, v.Reason)
		}
		return false
	case v.At.After(d.now):
		d.wake(v.At)
		if s.State != state.ServiceBackoff {
			d.do(i, state.ServiceBackoff, Action{Verb: BackOff, Reason: v.Reason, Until: v.At})
		}
		return false
	}
	return true
}

// unmet lists the dependencies that do not hold. The keys tell a dependency that
// may yet come from one that will not by itself: only a new key is worth saying,
// so that what a boot says does not depend on who was first.
func (d *decision) unmet(i int) (on, keys []string, reason string) {
	var words []string
	for _, dep := range d.in[i].Dependencies {
		word, stuck := d.holds(dep)
		if word == "" {
			continue
		}
		id, key := dep.Service, dep.Service
		if stuck {
			key += "!"
		}
		on, keys, words = append(on, id), append(keys, key), append(words, id+": "+word)
	}
	if len(on) > 0 {
		reason = "waiting for " + strings.Join(words, ", ")
	}
	return on, keys, reason
}

// holds returns "" for a dependency that holds, else what is missing and whether
// only an operator can help.
func (d *decision) holds(dep spec.Dependency) (word string, stuck bool) {
	i, ok := d.index[dep.Service]
	if !ok {
		return "unknown", true
	}
	s := &d.in[i]
	runs := d.state[i] == state.ServiceRunning
	switch st := d.state[i]; {
	case s.Condition && s.Met:
		return "", false
	case s.Condition:
		return "not ready", false
	case !s.Want:
		return "not enabled", true
	case dep.Condition == spec.Completed && st == state.ServiceCompleted, dep.Condition == spec.Started && (runs || st == state.ServiceCompleted):
		return "", false
	case dep.Condition == spec.Completed && runs:
		return "not completed yet", false
	case runs && s.Health == state.HealthHealthy:
		return "", false
	case runs && s.Health == state.HealthUnhealthy:
		return "unhealthy", false
	case runs && s.Health == state.HealthUnready:
		return "not ready", false
	case runs:
		return "not healthy yet", false
	case st == state.ServiceFailed, st == state.ServiceCompleted:
		return string(st), true
	default:
		return string(st), false
	}
}

func (d *decision) do(i int, to state.ServiceState, a Action) {
	a.ID = d.in[i].ID
	d.state[i] = to
	d.actions = append(d.actions, a)
}

func subset(a, of []string) bool {
	for _, k := range a {
		if !slices.Contains(of, k) {
			return false
		}
	}
	return true
}

// Missing lists which dependencies of a service do not hold, as in "alpha:
// starting", and whether only an operator can make one of them hold.
func Missing(in []Input, id string) (on []string, stuck bool) {
	d := NewGraph(in).begin(time.Time{}, in)
	i, ok := d.index[id]
	if !ok {
		return nil, false
	}
	for _, dep := range in[i].Dependencies {
		if word, s := d.holds(dep); word != "" {
			on, stuck = append(on, dep.Service+": "+word), stuck || s
		}
	}
	return on, stuck
}
