package ui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// Trace is the life of a service as its facts tell it.
type Trace struct {
	Service   events.Entity `json:"service"`
	Instances []Life        `json:"instances"` // oldest first
	Totals    Totals        `json:"totals"`
}

// Life is one instance. One that several supervisors had in turn is one.
type Life struct {
	Instance string    `json:"instance"`
	Why      string    `json:"why"` // it was started
	Began    time.Time `json:"began"`
	PID      int       `json:"pid"`  // 0 where it never ran
	Took     int64     `json:"took"` // milliseconds from Began to its first being healthy; -1 where it was not
	// Adopted are the times at which a supervisor that came back took it over.
	Adopted []time.Time `json:"adopted"`
	Sick    int         `json:"sick"`           // how often it became unhealthy
	Ended   time.Time   `json:"ended,omitzero"` // zero while it runs
	How     string      `json:"how"`            // it ended, or what it does now
	Crashed bool        `json:"crashed"`        // nobody asked for its end, or it was unhealthy
	Uptime  int64       `json:"uptime"`         // milliseconds
	Healthy int64       `json:"healthy"`        // of them
	Then    string      `json:"then"`           // what followed its end; empty where a start did at once

	desired bool // its end was
	waited  bool // it backed off
	healthy time.Time
	stop    string
	after   string // it ended, and what follows that runs
}

// Totals sum a trace up.
type Totals struct {
	Instances int   `json:"instances"`
	Crashes   int   `json:"crashes"`
	Asked     int   `json:"asked"`   // ends that somebody asked for
	Adopted   int   `json:"adopted"` // takeovers by a supervisor that came back
	Uptime    int64 `json:"uptime"`  // milliseconds
	Healthy   int64 `json:"healthy"` // of them
	Backoff   int64 `json:"backoff"` // milliseconds from ends that the restart policy let wait to the starts after them
	// Span is from the first start to now, or the last end.
	Span int64 `json:"span"`
}

// Tell makes a trace of a service's facts by its supervisor, oldest first, without
// the instances that ended before since. It is pure.
func Tell(id events.Entity, facts []events.Envelope, since, now time.Time) Trace {
	t := tracer{h: readHistory(facts), now: now}
	for _, f := range t.h.facts {
		t.fact(f)
	}
	trace := Trace{Service: id, Instances: []Life{}}
	for i := range t.lives {
		l := t.lives[i]
		t.close(l)
		if l.Ended.IsZero() || !l.Ended.Before(since) {
			trace.Instances = append(trace.Instances, *l)
		}
	}
	trace.Totals = totals(trace.Instances, now)
	return trace
}

type tracer struct {
	h     history
	now   time.Time
	lives []*Life
	asked events.ID // the last request that a start answered
	since told      // the last fact that says what it waits for
	// scheduled: the next start is by a schedule.
	scheduled bool
}

// open is the life that goes on; nil if none does.
func (t *tracer) open() *Life {
	if n := len(t.lives); n > 0 && t.lives[n-1].Ended.IsZero() {
		return t.lives[n-1]
	}
	return nil
}

func (t *tracer) last() *Life {
	if n := len(t.lives); n > 0 {
		return t.lives[n-1]
	}
	return nil
}

// of is the life of an instance, a new one where facts before are lost.
func (t *tracer) of(instance string, f told) *Life {
	for i := len(t.lives) - 1; i >= 0; i-- {
		if t.lives[i].Instance == instance {
			return t.lives[i]
		}
	}
	if l := t.open(); l != nil {
		t.end(l, f.Time, "its end was not recorded")
	}
	l := &Life{Instance: instance, Began: f.Time, Took: -1, Adopted: []time.Time{}}
	t.lives = append(t.lives, l)
	return l
}

func (t *tracer) fact(f told) {
	switch b := f.body.(type) {
	case events.ServiceStarting:
		why := t.why(f)
		t.of(b.Instance, f).Why = why
		t.since, t.scheduled = told{}, false
	case events.ServiceStarted:
		l := t.of(b.Instance, f)
		l.PID = b.PID
		if b.Adopted {
			l.Adopted = append(l.Adopted, f.Time)
			l.Why = cmp.Or(l.Why, "it was found running")
		}
	case events.ServiceHealthy:
		l := t.of(b.Instance, f)
		l.healthy = f.Time
		if l.Took < 0 {
			l.Took = f.Time.Sub(l.Began).Milliseconds()
		}
	case events.ServiceUnhealthy:
		l := t.of(b.Instance, f)
		l.Sick++
		l.unwell(f.Time)
	case events.ServiceUnready:
		t.of(b.Instance, f).unwell(f.Time)
	case events.ServiceStopping:
		l := t.of(b.Instance, f)
		if strings.HasPrefix(b.Reason, state.Ended) {
			l.after = b.Reason
		} else {
			l.stop = b.Reason
		}
		l.unwell(f.Time)
	case events.ServiceExited:
		t.exited(t.of(b.Instance, f), b, f.Time)
	case events.ServiceWaiting:
		t.since = f
		t.then(b.Reason)
	case events.ServiceBackedOff:
		t.then("backed off for " + Took(max(0, b.Until.Sub(f.Time))))
		if l := t.last(); l != nil {
			l.waited = true
		}
	case events.ServiceExhausted:
		t.then("given up: " + b.Reason)
	case events.ServiceScheduled:
		t.scheduled = true
		t.then("scheduled for " + b.Next.UTC().Format(time.DateTime))
	case events.ServiceCompleted:
		t.then("completed")
	case events.ServiceStopped:
		t.then(strings.TrimSuffix("stopped: "+b.Reason, ": "))
	}
}

// then adds what followed an end.
func (t *tracer) then(text string) {
	if l := t.last(); l != nil && !l.Ended.IsZero() && !strings.Contains(l.Then, text) {
		l.Then = strings.TrimPrefix(l.Then+"; "+text, "; ")
	}
}

func (t *tracer) exited(l *Life, b events.ServiceExited, at time.Time) {
	if l.PID == 0 && b.PID > 0 { // the bus has lost what came before
		l.PID, l.Why = b.PID, "it was found when it had ended"
		l.Began = at
	}
	how := state.ExitReason(b)
	done := b.Expected && l.stop == "" && unasked(b) != asked
	l.desired = b.Expected && !done && !strings.HasPrefix(l.stop, state.Unhealthy)
	l.Crashed = !l.desired && !done
	switch {
	case l.PID == 0 && !b.Expected:
		how = "did not start: " + how
	case b.Expected && l.stop == "":
		how = unasked(b)
	case b.Expected:
		how = "stopped, " + l.stop
		if b.Code != 0 || b.Signal != "" {
			b.Expected, b.Reason = false, ""
			how += " (" + state.ExitReason(b) + ")"
		}
	}
	t.end(l, at, cmp.Or(how, "exit status 0"))
	if b.Code == 0 && b.Signal == "" && !b.Unknown && b.Reason == "" {
		l.Crashed = strings.HasPrefix(l.stop, state.Unhealthy)
	}
}

func (t *tracer) end(l *Life, at time.Time, how string) {
	l.unwell(at)
	l.Ended, l.How = at, how
	if l.PID > 0 {
		l.Uptime = at.Sub(l.Began).Milliseconds()
	}
}

// unwell ends a time in which it was healthy.
func (l *Life) unwell(at time.Time) {
	if !l.healthy.IsZero() {
		l.Healthy += at.Sub(l.healthy).Milliseconds()
		l.healthy = time.Time{}
	}
}

// close counts up to now what a life that goes on has.
func (t *tracer) close(l *Life) {
	if !l.Ended.IsZero() {
		return
	}
	l.How = "is being started"
	if l.PID > 0 {
		l.Uptime = t.now.Sub(l.Began).Milliseconds()
		l.How = "runs, not healthy"
		if !l.healthy.IsZero() {
			l.How = "runs, healthy"
		}
	}
	switch {
	case l.stop != "":
		l.How = "is being stopped, " + l.stop
	case l.after != "":
		l.How = l.after
	}
	l.unwell(t.now)
}

// why says why an instance is started, by what was before it.
func (t *tracer) why(f told) string {
	before := t.last()
	request := ""
	if f.Cause != t.asked {
		if request = t.h.asked[f.Cause]; request != "" {
			t.asked = f.Cause
		}
	}
	text := ""
	switch {
	case request != "":
		text = request
	case t.scheduled:
		text = "its schedule"
	case before == nil:
		text = "first start"
	case strings.HasPrefix(before.stop, state.Unhealthy):
		text = "restart policy: it was unhealthy"
	case before.Ended.IsZero():
		text = "the instance before was lost"
	case before.desired:
		text = "it had been stopped: " + cmp.Or(before.stop, asked)
	default:
		text = "restart policy: " + before.How
	}
	if w, ok := t.since.body.(events.ServiceWaiting); ok {
		text += fmt.Sprintf(", when what it waited for was there (%s)", strings.Join(w.On, ", "))
	}
	return text
}

func totals(lives []Life, now time.Time) Totals {
	t := Totals{Instances: len(lives)}
	for i, l := range lives {
		t.Uptime += l.Uptime
		t.Healthy += l.Healthy
		t.Adopted += len(l.Adopted)
		switch {
		case l.Crashed:
			t.Crashes++
		case l.desired:
			t.Asked++
		}
		if i > 0 && lives[i-1].waited {
			t.Backoff += max(0, l.Began.Sub(lives[i-1].Ended).Milliseconds())
		}
	}
	if len(lives) > 0 {
		end := lives[len(lives)-1].Ended
		if end.IsZero() {
			end = now
		}
		t.Span = end.Sub(lives[0].Began).Milliseconds()
	}
	return t
}
