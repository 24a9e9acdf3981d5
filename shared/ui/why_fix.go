package ui

import (
	"slices"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// fixes are the commands that fit: of what the chain of reasons ends at first.
func (x *explainer) fixes(v state.Service) []Fix {
	var all []Fix
	add := func(f Fix) {
		if !slices.ContainsFunc(all, func(o Fix) bool { return o.Command == f.Command }) {
			all = append(all, f)
		}
	}
	for _, b := range x.blocked {
		if b.ID != v.ID && !strings.HasPrefix(string(b.ID), "core.") {
			add(Fix{x.o.Program + " why " + string(b.ID), "see more of what it waits for"})
		}
		if strings.Contains(b.Reason, "is not locked in") {
			add(Fix{x.o.Program + " dep lock", "lock the binary that it needs"})
		}
		for _, id := range fitting(b) {
			x.offer(id, b.ID, add)
		}
	}
	if !v.Serving() {
		x.offer(ActionLogs, v.ID, add)
	}
	if silent(v) {
		all = slices.DeleteFunc(all, func(f Fix) bool { return f.Command == x.command(ActionLogs, v.ID) })
	}
	return all
}

// silent reports whether a service has written nothing that is known of: it never ran.
func silent(v state.Service) bool {
	return v.PID == 0 && v.Restarts == 0 && (v.LastExit == nil || v.LastExit.PID == 0 && len(v.LastExit.LastLines) == 0)
}

func (x *explainer) command(id ActionID, e events.Entity) string {
	a, _ := Find(id)
	return x.o.Program + " " + a.Verb + " " + string(e)
}

// offer adds an action that can be done now.
func (x *explainer) offer(id ActionID, e events.Entity, add func(Fix)) {
	a, _ := Find(id)
	kind := KindService
	if _, ok := x.s.Services[e]; !ok {
		kind = KindDaemon
	}
	if !slices.Contains(a.On, kind) {
		return
	}
	if ok, _ := a.Enabled(x.s, e); ok {
		add(Fix{x.command(id, e), a.About})
	}
}

// fitting are the actions that help a service which does not do its work.
func fitting(v state.Service) []ActionID {
	switch v.State {
	case state.ServiceIdle, state.ServiceStopped:
		return []ActionID{ActionEnable, ActionStart}
	case state.ServiceFailed, state.ServiceBackoff, state.ServiceRunning, state.ServiceScheduled:
		return []ActionID{ActionLogs, ActionRestart}
	case state.ServiceCompleted:
		return []ActionID{ActionRestart}
	case state.ServiceStopping:
		if !v.Desired.Running {
			return []ActionID{ActionLogs, ActionStart}
		}
	}
	return []ActionID{ActionLogs}
}
