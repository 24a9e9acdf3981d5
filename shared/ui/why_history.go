package ui

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// history is what facts about one service say together.
type history struct {
	facts []told
	asked map[events.ID]string // requests in words, by their id
	at    map[events.ID]told   // facts by their id
}

// told is a fact that could be read.
type told struct {
	events.Envelope
	body events.Body
}

// readHistory reads facts, oldest first; those of types that this build does not
// know are left out.
func readHistory(facts []events.Envelope) history {
	h := history{asked: map[events.ID]string{}, at: map[events.ID]told{}}
	for _, e := range facts {
		body, err := events.Payload(e)
		if err != nil {
			continue
		}
		f := told{e, body}
		h.facts = append(h.facts, f)
		h.at[e.ID] = f
		verb, by := events.Verb(""), events.Source("")
		switch b := body.(type) {
		case events.CommandAccepted:
			verb, by = b.Verb, b.By
		case events.CommandRejected:
			verb = b.Verb
		}
		if verb == "" || e.Cause == "" {
			continue
		}
		h.asked[e.Cause] = string(verb) + " was asked for" + byWhom(by)
	}
	return h
}

// byWhom ends a text with who did what it says; empty where that is not known.
func byWhom(s events.Source) string {
	if s == "" {
		return ""
	}
	return " by " + string(s)
}

// cause says in words why a fact came about; empty where that is not known.
func (h history) cause(f told) string {
	if f.Cause == "" {
		return ""
	}
	if text, ok := h.asked[f.Cause]; ok {
		return text
	}
	if c, ok := h.at[f.Cause]; ok {
		return fmt.Sprintf("%s at %d", c.Type, c.Seq)
	}
	return ""
}

// last is the latest fact of a name.
func (h history) last(fact string) (told, bool) {
	for _, f := range slices.Backward(h.facts) {
		if f.Type.Aggregate() == "service" && string(f.Type.Fact()) == fact {
			return f, true
		}
	}
	return told{}, false
}

// unwanted is the fact that made it unwanted.
func (h history) unwanted() (told, bool) {
	var found told
	for _, f := range slices.Backward(h.facts) {
		d, ok := f.body.(events.ServiceDesired)
		if !ok {
			continue
		}
		if d.Running {
			break
		}
		found = f
	}
	return found, found.body != nil
}

// waiting is the latest word on what it waits for.
func (h history) waiting() (events.ServiceWaiting, bool) {
	f, ok := h.last("waiting")
	if !ok {
		return events.ServiceWaiting{}, false
	}
	w, ok := f.body.(events.ServiceWaiting)
	return w, ok && len(w.On) > 0
}

// stopReason is why an instance was stopped.
func (h history) stopReason(instance string) string {
	for _, f := range slices.Backward(h.facts) {
		if s, ok := f.body.(events.ServiceStopping); ok && s.Instance == instance && !strings.HasPrefix(s.Reason, state.Ended) {
			return s.Reason
		}
	}
	return ""
}

// unasked is why an instance ended as it was expected to where no stop is known: a job
// did what it was started for, it has yet to be started, or what the history had is gone.
func unasked(x events.ServiceExited) string {
	if x.Reason != "" {
		return x.Reason
	}
	if x.Code == 0 && x.Signal == "" && !x.Unknown {
		return "exit status 0"
	}
	return asked
}

// asked is why an instance was stopped, of which no more is known.
const asked = "asked to"

// crashes counts the ends since a time that nobody asked for, failed starts among them,
// and tells whether an instance ran before one of them.
func (h history) crashes(since time.Time) (n int, ran bool) {
	for _, f := range h.facts {
		if x, ok := f.body.(events.ServiceExited); ok && f.Time.After(since) {
			if !x.Expected || strings.HasPrefix(h.stopReason(x.Instance), state.Unhealthy) {
				n++
				ran = ran || x.PID > 0
			}
		}
	}
	return n, ran
}

type installation struct {
	name, version string
	since         time.Time
}

// installing is an installation that has begun and not ended.
func (h history) installing() (installation, bool) {
	for _, f := range slices.Backward(h.facts) {
		switch b := f.body.(type) {
		case events.DepInstalling:
			return installation{b.Name, b.Version, f.Time}, true
		case events.DepInstalled, events.DepFailed, events.ServiceStarting:
			return installation{}, false
		}
	}
	return installation{}, false
}

// told are the latest n facts in words.
func (h history) told(n int) []Told {
	facts := slices.DeleteFunc(slices.Clone(h.facts), func(f told) bool {
		_, spec := f.body.(events.ServiceRegistered)
		return spec
	})
	rows := []Told{}
	for _, f := range facts[max(0, len(facts)-n):] {
		rows = append(rows, Told{Seq: f.Seq, Time: f.Time, Type: f.Type, Text: f.text(), Cause: h.cause(f)})
	}
	return rows
}

// text says what a fact says beyond its type.
func (f told) text() string {
	switch b := f.body.(type) {
	case events.ServiceDesired:
		return state.Service{Desired: b}.Want()
	case events.ServiceWaiting:
		return b.Reason
	case events.ServiceStarting:
		if b.Restarts == 0 {
			return ""
		}
		return fmt.Sprintf("restarted %s so far", times(b.Restarts))
	case events.ServiceStarted:
		if b.Adopted {
			return fmt.Sprintf("pid %d, adopted", b.PID)
		}
		return fmt.Sprintf("pid %d", b.PID)
	case events.ServiceUnhealthy:
		return b.Reason
	case events.ServicePrepared:
		return strings.Join(b.Changes, ", ")
	case events.ServiceScheduled:
		return strings.TrimSuffix("next "+b.Next.UTC().Format(time.DateTime)+": "+b.Reason, ": ")
	case events.ServiceStopping:
		return b.Reason
	case events.ServiceExited:
		return cmp.Or(state.ExitReason(b), "exit status 0")
	case events.ServiceBackedOff:
		return fmt.Sprintf("until %s: %s", b.Until.UTC().Format(time.TimeOnly), b.Reason)
	case events.ServiceExhausted:
		return b.Reason
	case events.ServiceStopped:
		return b.Reason
	case events.CommandAccepted:
		return string(b.Verb)
	case events.CommandRejected:
		return string(b.Verb) + ": " + b.Reason
	case events.CommandCompleted:
		return string(b.Verb)
	case events.CommandFailed:
		return string(b.Verb) + ": " + b.Reason
	}
	var any struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(f.Data, &any) != nil {
		return ""
	}
	return strings.Trim(any.Name+": "+any.Reason, ": ")
}
