package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// Why says on one screen why a service is as it is.
type Why struct {
	Service  events.Entity `json:"service"`
	State    Badge         `json:"state"`
	Health   Badge         `json:"health"`
	Since    time.Time     `json:"since"` // of State
	Headline string        `json:"headline"`
	Reasons  []Reason      `json:"reasons"` // each explains the one before that is less deep
	Lines    []string      `json:"lines"`   // its last ones before it ended, oldest first
	Facts    []Told        `json:"facts"`   // the latest, oldest first
	Fixes    []Fix         `json:"fixes"`
}

// Reason is one link of the chain of reasons.
type Reason struct {
	Depth   int           `json:"depth"` // 0 is the service itself, 1 what it waits for, …
	Subject events.Entity `json:"subject"`
	Text    string        `json:"text"`
	Tone    Tone          `json:"tone"`
}

// Told is one fact that a reason rests on.
type Told struct {
	Seq   uint64      `json:"seq"`
	Time  time.Time   `json:"time"`
	Type  events.Type `json:"type"`
	Text  string      `json:"text"`  // what it says beyond its type
	Cause string      `json:"cause"` // in words; empty where it is not known
}

// Fix is something that fits the situation: a command of an action or another.
type Fix struct {
	Command string `json:"command"` // to be typed
	About   string `json:"about"`
}

// WhyOptions are what an explanation needs beside the state.
type WhyOptions struct {
	Now time.Time
	// Facts are the service's, by its supervisor, oldest first. Without some of
	// them there is less to say.
	Facts []events.Envelope
	// Policy is its restart policy; nil if not known.
	Policy *process.Policy
	// Decided is what operators decided about it; nil if nothing, or not known.
	Decided *events.Desired
	// Program begins each command; "launcher" if empty.
	Program string
}

// maxTold is how many facts an explanation shows.
const maxTold = 8

// Explain says why a service or daemon is as it is; false if there is none of the
// name. It is pure.
func Explain(s state.State, id events.Entity, o WhyOptions) (Why, bool) {
	v, ok := s.Services[id]
	if !ok {
		if v, ok = s.Daemons[id]; !ok {
			return Why{}, false
		}
	}
	if o.Program == "" {
		o.Program = "launcher"
	}
	x := explainer{s: s, o: o, id: id, h: readHistory(o.Facts), seen: map[events.Entity]bool{}}
	x.explain(v, 0)
	if _, daemon := s.Daemons[id]; !daemon && s.Decisions.Lost(id) {
		x.say(0, id, Bad, "whether somebody had enabled, disabled, started or stopped it is lost: %s", s.Decisions.Reason)
	}
	w := Why{
		Service: id, State: Badge{string(v.State), serviceTone(v)}, Health: health(v), Since: v.Since,
		Headline: x.headline(v), Reasons: list(x.reasons), Lines: []string{}, Facts: x.h.told(maxTold), Fixes: list(x.fixes(v)),
	}
	if v.LastExit != nil && !v.LastExit.Expected && !v.Serving() {
		w.Lines = list(v.LastExit.LastLines)
	}
	return w, true
}

type explainer struct {
	s       state.State
	o       WhyOptions
	id      events.Entity
	h       history
	seen    map[events.Entity]bool
	reasons []Reason
	// blocked are the services at the ends of the chain.
	blocked []state.Service
}

func (x *explainer) say(depth int, subject events.Entity, t Tone, format string, args ...any) {
	x.reasons = append(x.reasons, Reason{Depth: depth, Subject: subject, Text: fmt.Sprintf(format, args...), Tone: t})
}

// ago is a time as "12s ago (12:00:05)", in UTC.
func (x *explainer) ago(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return fmt.Sprintf("%s ago (%s)", Span(x.o.Now.Sub(t)), t.UTC().Format(time.TimeOnly))
}

// since is a time as "since 12:00:05 (12s)", in UTC.
func (x *explainer) since(t time.Time) string {
	if t.IsZero() {
		return "since an unknown time"
	}
	return fmt.Sprintf("since %s (%s)", t.UTC().Format(time.TimeOnly), Span(x.o.Now.Sub(t)))
}

func (x *explainer) headline(v state.Service) string {
	text := fmt.Sprintf("%s %s", v.ID, stateWords(v))
	switch {
	case v.Since.IsZero():
	case v.State == state.ServiceFailed, v.State == state.ServiceCompleted, v.State == state.ServiceExited:
		text += " " + x.ago(v.Since)
	default:
		text += " " + x.since(v.Since)
	}
	if v.State == state.ServiceBackoff && !v.Until.IsZero() {
		text += ", to be started again " + x.until(v.Until)
	}
	return text
}

// stateWords says what a service is or does.
func stateWords(v state.Service) string {
	switch v.State {
	case state.ServiceRunning:
		if v.Health == state.HealthUnknown {
			return "is running and not yet healthy"
		}
		return "is running and " + string(v.Health)
	case state.ServiceBackoff:
		return "is backing off"
	case state.ServiceFailed, state.ServiceCompleted, state.ServiceExited:
		return string(v.State)
	}
	return "is " + string(v.State)
}

func (x *explainer) until(t time.Time) string {
	b := builder{now: x.o.Now}
	return b.until(t)
}

// explain says why v is as it is, and goes on with what it waits for.
func (x *explainer) explain(v state.Service, depth int) {
	if x.seen[v.ID] {
		x.say(depth, v.ID, Warn, "which was explained above")
		return
	}
	x.seen[v.ID] = true
	if !v.Desired.Running && !v.Alive() {
		x.unwanted(v, depth)
		x.blocked = append(x.blocked, v)
		return
	}
	switch v.State {
	case state.ServiceWaiting:
		x.waiting(v, depth)
		return
	case state.ServiceRunning:
		x.running(v, depth)
	case state.ServiceStarting:
		x.say(depth, v.ID, Warn, "its instance is being started %s%s", x.since(v.Since), x.installing(depth))
		x.restarted(v, depth)
	case state.ServiceStopping:
		if how, ok := strings.CutPrefix(v.Reason, state.Ended); ok {
			x.say(depth, v.ID, Warn, "its process ended %s: %s", x.ago(v.Since), how)
			break
		}
		x.say(depth, v.ID, Warn, "it is being stopped %s: %s", x.since(v.Since), orUnknown(v.Reason))
	case state.ServiceBackoff:
		x.ended(v, depth)
		x.say(depth, v.ID, Warn, "it backs off until %s (%s): %s", v.Until.UTC().Format(time.TimeOnly), x.until(v.Until), x.nth(v, depth))
	case state.ServiceFailed:
		x.say(depth, v.ID, Bad, "it is given up %s and not started again before somebody asks: %s", x.since(v.Since), orUnknown(v.Reason))
		if v.LastExit != nil && !strings.Contains(v.Reason, state.ExitReason(*v.LastExit)) {
			x.ended(v, depth)
		}
	case state.ServiceExited:
		x.ended(v, depth)
	case state.ServiceScheduled:
		x.scheduled(v, depth)
	case state.ServiceCompleted:
		x.say(depth, v.ID, Idle, "it ended well %s, and its restart policy leaves it ended", x.ago(v.Since))
	case state.ServiceStopped, state.ServiceIdle:
		x.say(depth, v.ID, Warn, "it is wanted, and about to be started%s", because(v.Reason))
	}
	if !v.Settled() || v.State == state.ServiceCompleted {
		x.blocked = append(x.blocked, v)
	}
}

// scheduled is about a cron job between two runs.
func (x *explainer) scheduled(v state.Service, depth int) {
	tone := Idle
	if v.Reason != "" {
		tone = Bad
		x.say(depth, v.ID, Bad, "its last run failed: %s", v.Reason)
	}
	x.say(depth, v.ID, tone, "it runs by its schedule %s, next %s at %s UTC", v.Registered.Schedule, x.until(v.Until), v.Until.UTC().Format(time.DateTime))
}

func (x *explainer) running(v state.Service, depth int) {
	switch v.Health {
	case state.HealthHealthy:
		x.say(depth, v.ID, OK, "it runs with pid %d and is healthy %s", v.PID, x.since(v.HealthyAt))
	case state.HealthUnknown:
		x.say(depth, v.ID, Warn, "it runs with pid %d %s, and its health check has not passed yet", v.PID, x.since(v.Since))
	default:
		since := ""
		if v.ID == x.id {
			if f, ok := x.h.last(string(v.Health)); ok {
				since = " " + x.since(f.Time)
			}
		}
		x.say(depth, v.ID, serviceTone(v), "it runs with pid %d, but is %s%s: %s", v.PID, v.Health, since, orUnknown(v.Reason))
	}
	if v.Unenforced != "" {
		x.say(depth, v.ID, Warn, "%s", v.Unenforced)
	}
	if v.Dropped > 0 {
		x.say(depth, v.ID, Warn, "it writes more lines than its spec lets travel: %d are in its log file only", v.Dropped)
	}
	x.restarted(v, depth)
	if v.Desired.Running || v.Desired.Enabled {
		return
	}
	x.say(depth, v.ID, Warn, "it is not wanted any more: it stops once nothing that depends on it runs")
}

// restarted says how often, and how it ended last.
func (x *explainer) restarted(v state.Service, depth int) {
	if v.Restarts == 0 {
		return
	}
	x.say(depth, v.ID, Idle, "it was restarted %s by its policy since the node came up", times(v.Restarts))
	x.ended(v, depth)
}

func (x *explainer) ended(v state.Service, depth int) {
	if v.LastExit == nil {
		return
	}
	how := state.ExitReason(*v.LastExit)
	who := "its last instance"
	verb := "ended"
	switch {
	case v.LastExit.PID > 0:
		who += fmt.Sprintf(" (pid %d)", v.LastExit.PID)
	case !v.LastExit.Expected:
		who, verb = "its last start", "failed"
	}
	who += " " + verb
	if f, ok := x.h.last("exited"); ok && v.ID == x.id {
		who += " " + x.ago(f.Time)
	}
	tone := Warn
	if v.LastExit.Expected {
		tone, how = Idle, cmp.Or(x.h.stopReason(v.LastExit.Instance), unasked(*v.LastExit))
		if strings.HasPrefix(how, state.Unhealthy) {
			tone = Warn
		}
	}
	x.say(depth, v.ID, tone, "%s: %s", who, cmp.Or(how, "exit status 0"))
}

// nth says which restart follows and how many the policy has left.
func (x *explainer) nth(v state.Service, depth int) string {
	text := fmt.Sprintf("restart %d", v.Restarts+1)
	if depth > 0 || x.o.Policy == nil || x.o.Policy.Budget <= 0 {
		return text + " follows"
	}
	n, ran := x.h.crashes(x.o.Now.Add(-x.o.Policy.Window))
	verb := "ended"
	if !ran {
		verb = "could not be started"
	}
	return fmt.Sprintf("%s follows; it "+verb+" %s within %s, and at %d it is given up", text, times(n), x.o.Policy.Window, x.o.Policy.Budget)
}

// installing says what its start waits for, where facts tell.
func (x *explainer) installing(depth int) string {
	if depth > 0 {
		return ""
	}
	if f, ok := x.h.installing(); ok {
		return fmt.Sprintf("; its binary %s %s is being installed %s", f.name, f.version, x.since(f.since))
	}
	return ""
}

// platform has the stage behind each part of the platform that services may
// depend on.
var platform = map[string]events.Entity{
	spec.BusStage: "bus", spec.EdgeStage: "edge", spec.ControllerStage: "controller", spec.PipelinesStage: "pipelines",
}

func (x *explainer) waiting(v state.Service, depth int) {
	on := x.missing(v)
	if len(on) == 0 {
		x.say(depth, v.ID, Warn, "it is wanted and held back %s: %s", x.since(v.Since), orUnknown(v.Reason))
		return
	}
	x.say(depth, v.ID, Warn, "it waits for %s %s", strings.Join(on, ", "), x.since(v.Since))
	for _, name := range on {
		id := events.Entity(name)
		if stage, ok := x.s.Stages[platform[name]]; ok {
			x.say(depth+1, id, stageTone(stage.State), "the stage %s is %s %s%s", stage.Name, stage.State, x.since(stage.Since), because(stage.Reason))
			continue
		}
		dep, ok := x.s.Services[id]
		if !ok {
			x.say(depth+1, id, Bad, "there is no such service")
			continue
		}
		x.say(depth+1, id, serviceTone(dep), "%s", x.headline(dep))
		x.explain(dep, depth+1)
	}
}

// missing are the dependencies of a service that do not hold: those that its
// supervisor named when it began to wait, where facts tell, else all; without
// those that have become healthy since.
func (x *explainer) missing(v state.Service) []string {
	names := v.Registered.Dependencies
	if f, ok := x.h.waiting(); ok && v.ID == x.id {
		names = f.On
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		if stage, ok := x.s.Stages[platform[name]]; ok {
			return stage.State == state.StageReady
		}
		if _, ok := platform[name]; ok {
			return true
		}
		dep := x.s.Services[events.Entity(name)]
		return dep.Serving() || dep.State == state.ServiceCompleted
	})
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func orUnknown(reason string) string { return cmp.Or(reason, "nobody said why") }

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
