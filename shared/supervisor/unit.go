package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"time"

	"core.internal/shared/controller"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/ports"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// unit is one supervised service. It is owned by Run's goroutine.
type unit struct {
	id       events.Entity
	spec     spec.Located
	deps     []spec.Dependency
	unusable string
	policy   process.Policy
	schedule spec.Schedule // a cron job's; nil for everything else
	next     time.Time     // its next run, once that was decided
	anchor   time.Time     // a time at which it was to run, from which its intervals are counted
	gone     bool          // its spec is: it is ended and forgotten

	desired  events.ServiceDesired
	cause    events.ID // of what happens to it now
	answered events.ID // the restart request its last start was for

	state     state.ServiceState
	health    state.Health
	detail    string    // why it is unhealthy or unready
	opinions  opinions  // of the checks
	since     time.Time // of being healthy; zero while it is not
	history   process.History
	waited    []string
	restarts  int // starts by the restart policy
	kept      []events.Port
	lastLines []string

	// The present instance.
	instance string
	proc     process.Process
	cancel   context.CancelFunc // of its start, while that is under way
	built    Built
	why      string // it was stopped, for a reason other than its being unhealthy
	sick     string // it was stopped because it was unhealthy
	stopped  bool   // its Stop has returned, or was never called
	exited   bool   // it is gone
	ran      spec.Located
}

func (u *unit) alive() bool {
	return u.state == state.ServiceStarting || u.state == state.ServiceRunning || u.state == state.ServiceStopping
}

func (u *unit) input(held bool, draining string) controller.Input {
	in := controller.Input{
		ID: string(u.id), Dependencies: u.deps, Want: u.desired.Running, Why: "not wanted",
		Restart: u.desired.Restart, Answered: u.answered, Held: held, Unusable: u.unusable,
		State: u.state, Health: u.health, Detail: u.detail,
		Policy: u.policy, History: u.history, Waited: u.waited,
		Schedule: u.schedule, Next: u.next, Replace: u.replaces(),
	}
	switch {
	case draining != "":
		in.Want, in.Why = false, draining
	case u.gone:
		in.Want, in.Why = false, "its spec is gone"
	}
	return in
}

// due says when a cron job runs next; the zero time where that is to be decided.
func (u *unit) due(at time.Time) {
	if u.next = at; !at.IsZero() {
		u.count(at)
	}
}

// count says from when a cron job's intervals are counted; zero for the next time that
// is decided.
func (u *unit) count(from time.Time) {
	u.anchor, u.schedule = from, spec.Anchored(u.schedule, from)
}

// replaces reports whether a run that is due ends the one that goes on.
func (u *unit) replaces() bool {
	return u.schedule != nil && u.spec.Process.Overlap == spec.OverlapReplace
}

// job is a start that waits for a slot, or is under way.
type job struct {
	u        *unit
	ctx      context.Context
	spec     spec.Located
	instance Instance
	note     note
}

// slots is how many instances are prepared and started at once.
const slots = 8

// start states the intent to start an instance and queues it.
func (s *Supervisor) start(u *unit, a controller.Action) {
	switch {
	case a.Anew:
		u.history, u.answered = process.History{}, a.Request
	case u.history.Ended:
		u.restarts++ // nobody asked, and it is no other run
	}
	u.due(a.Next)
	u.ran = u.spec
	u.instance = s.opt.NewID()
	u.state, u.health, u.detail, u.since = state.ServiceStarting, state.HealthUnknown, "", time.Time{}
	u.why, u.sick, u.stopped, u.exited, u.proc, u.built = "", "", true, false, nil, Built{}
	var ctx context.Context
	ctx, u.cancel = context.WithCancel(s.life)
	intent := s.state(u, events.ServiceStarting{Instance: u.instance, Restarts: u.restarts})
	s.jobs = append(s.jobs, job{
		u: u, ctx: ctx, spec: u.spec,
		instance: Instance{Name: u.instance, Kept: u.kept},
		note:     note{Restarts: u.restarts, Boot: s.opt.Boot, Intended: intent.Time, History: u.history.Brief(), Request: u.answered, Due: u.anchor},
	})
}

func (s *Supervisor) startJobs() {
	for len(s.jobs) > 0 && s.starting < slots {
		s.starting++
		j := s.nextJob()
		s.work.Go(func() { s.launchAll(j) })
	}
}

func (s *Supervisor) nextJob() job {
	j := s.jobs[0]
	s.jobs[0] = job{}
	if s.jobs = s.jobs[1:]; len(s.jobs) == 0 {
		s.jobs = nil
	}
	return j
}

// launchAll launches a job and then whatever is next while there is more: on a stack
// that has grown already. It runs in a goroutine of its own.
func (s *Supervisor) launchAll(j job) {
	more := make(chan job, 1)
	for there := true; there; {
		built, p, err := s.launch(j)
		s.mail.post(func() {
			s.launchedUnit(j.u, built, p, err)
			if len(s.jobs) > 0 {
				more <- s.nextJob()
				return
			}
			s.starting--
			close(more)
		})
		select {
		case j, there = <-more:
		case <-s.mail.gone:
			return
		}
	}
}

// launch prepares and starts an instance.
func (s *Supervisor) launch(j job) (Built, process.Process, error) {
	if err := j.ctx.Err(); err != nil {
		return Built{}, nil, err
	}
	built, err := s.opt.Build(j.ctx, j.spec, j.instance)
	if len(built.Prepared) > 0 {
		s.mail.post(func() {
			s.state(j.u, events.ServicePrepared{Instance: j.instance.Name, Changes: built.Prepared})
		})
	}
	if err != nil {
		var held *ports.HeldError
		var full *ports.RangeError
		var passing *passingError
		if !errors.As(err, &held) && !errors.As(err, &full) && !errors.As(err, &passing) && !temporary(err) {
			err = &finalError{err}
		}
		return Built{}, nil, err
	}
	j.note.Ports, j.note.Routes, j.note.Checks = built.Ports, built.Routes, built.Checks
	built.Command.Output.Pattern = built.pattern()
	built.Command.ID, built.Command.Instance = string(j.u.id), j.instance.Name
	if built.Command.Note, err = j.note.encode(); err != nil {
		return Built{}, nil, err
	}
	if err := s.runHooks(j.ctx, built.Command, built.PreStart); err != nil {
		return built, nil, err
	}
	p, err := s.opt.Runner.Start(j.ctx, built.Command)
	return built, p, err
}

// temporary reports whether the builder says that an error may pass.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// finalError is one that another attempt does not cure.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func permanent(err error) bool {
	var final *finalError
	return errors.As(err, &final) || errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOEXEC)
}

// launchedUnit takes the result of a start.
func (s *Supervisor) launchedUnit(u *unit, built Built, p process.Process, err error) {
	u.cancel()
	u.cancel = nil
	if err != nil {
		reason, stopping := err.Error(), u.state == state.ServiceStopping
		if stopping {
			reason = "stopped before it ran"
		} else {
			s.opt.Log.Warn("service did not start", "service", u.id, "error", err)
		}
		fact := events.ServiceExited{Instance: u.instance, Code: -1, Expected: stopping, Reason: reason}
		var hook *HookError
		if errors.As(err, &hook) && !stopping {
			fact.LastLines = hook.LastLines
		}
		s.over(u, fact,
			process.End{At: s.opt.Now(), Expected: stopping, Permanent: permanent(err), Unstarted: true, Reason: reason})
		return
	}
	u.proc, u.built, u.kept = p, built, built.Ports
	s.watch(u, p)
	if u.state == state.ServiceStopping {
		s.end(u)
		return
	}
	u.state = state.ServiceRunning
	s.state(u, events.ServiceStarted{
		Instance: u.instance, PID: p.PID(), Restarts: u.restarts, Ports: built.Ports, Routes: built.Routes, Restart: u.answered,
		Unenforced: unenforced(p),
	})
	s.check(u)
}

// unenforced says which resources of a process nobody enforces.
func unenforced(p process.Process) string {
	if b, ok := p.(process.Bounded); ok {
		return b.Unenforced()
	}
	return ""
}

// stop states the intent to end an instance and ends it.
func (s *Supervisor) stop(u *unit, a controller.Action) {
	if a.Sick {
		u.sick = a.Reason
	} else {
		u.why = a.Reason
	}
	s.prober.Remove(string(u.id), u.instance)
	u.state, u.health, u.detail = state.ServiceStopping, state.HealthUnknown, ""
	s.state(u, events.ServiceStopping{Instance: u.instance, Reason: a.Reason})
	if u.cancel != nil {
		u.cancel() // launchedUnit goes on from here
		return
	}
	s.end(u)
}

// end stops the process of a unit that is stopping.
func (s *Supervisor) end(u *unit) {
	p := u.proc
	u.stopped = false
	s.work.Go(func() {
		err := p.Stop(s.life)
		s.mail.post(func() {
			if err != nil {
				s.opt.Log.Warn("stopping a service", "service", u.id, "pid", p.PID(), "error", err)
			}
			if u.proc == p {
				u.stopped = true
				s.finish(u)
			}
		})
	})
}

// watch waits for the end of a process.
func (s *Supervisor) watch(u *unit, p process.Process) {
	s.work.Go(func() {
		s.heed(u, p)
		select {
		case <-p.Done():
		default:
			return // left to a successor
		}
		s.mail.post(func() {
			if u.proc == p {
				u.exited = true
				s.finish(u)
			}
		})
	})
}

// finish takes the end of an instance once its process is gone and nobody is
// stopping it any more.
func (s *Supervisor) finish(u *unit) {
	if !u.exited || !u.stopped {
		return
	}
	p, exit := u.proc, u.proc.Exit()
	fact := events.ServiceExited{
		Instance: u.instance, PID: p.PID(), Code: exit.Code, Signal: exit.Signal, Unknown: exit.Unknown,
		Expected: u.why != "" || u.sick != "" || done(u.ran, exit), LastLines: exit.LastLines,
	}
	end := process.End{At: s.opt.Now(), OK: exit.OK(), Reason: state.ExitReason(fact), HealthySince: u.since, Expected: u.why != ""}
	if u.sick != "" {
		end.OK, end.Reason = false, u.sick
	}
	if end.Reason == "" {
		end.Reason = fmt.Sprintf("exit status %d", exit.Code)
	}
	s.tell(u, fact, end)
	s.after(u, u.ran, u.kept, exit, func() { s.over(u, fact, end) })
}

// tell logs the end of an instance.
func (s *Supervisor) tell(u *unit, fact events.ServiceExited, end process.End) {
	switch {
	case !fact.Expected:
		s.opt.Log.Warn("service ended", "service", u.id, "pid", fact.PID, "reason", end.Reason)
	case u.why == "" && u.sick == "":
		s.opt.Log.Info("service has done its work", "service", u.id, "pid", fact.PID)
	}
}

// done reports whether an exit is what a oneshot or a run of a cron job is started for.
func done(l spec.Located, exit process.Exit) bool { return typeOf(l) != "" && exit.OK() }

// over takes the end of an instance, whether it ever ran or not, once all that belongs
// to it is over.
func (s *Supervisor) over(u *unit, fact events.ServiceExited, end process.End) {
	s.prober.Remove(string(u.id), u.instance)
	u.proc, u.state, u.health, u.detail, u.since = nil, state.ServiceExited, state.HealthUnknown, "", time.Time{}
	u.lastLines = fact.LastLines
	u.history = u.policy.Record(u.history, end)
	e := s.state(u, fact)
	if !fact.Expected {
		u.cause = e.ID
	}
}
