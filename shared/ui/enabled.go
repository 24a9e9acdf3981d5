package ui

import (
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// service looks up a service that may be asked for something.
func service(s state.State, id events.Entity) (v state.Service, reason string) {
	v, ok := s.Services[id]
	switch {
	case !ok:
		return v, "there is no service of this name"
	case goingDown(s):
		return v, "the node is going down"
	}
	return v, ""
}

// goingDown reports whether a stage is being torn down, or none is left.
func goingDown(s state.State) bool {
	stopped := 0
	for _, g := range s.Stages {
		switch g.State {
		case state.StageStopping:
			return true
		case state.StageStopped:
			stopped++
		}
	}
	return stopped > 0 && stopped == len(s.Stages)
}

// anyOf makes a check of a service one of an id that may stand for all replicas of
// a spec: it holds where it does for one of them.
func anyOf(can func(state.State, events.Entity) (bool, string)) func(state.State, events.Entity) (bool, string) {
	return func(s state.State, id events.Entity) (ok bool, reason string) {
		members := s.Members(id)
		if len(members) == 0 {
			return can(s, id)
		}
		for _, one := range members {
			if ok, reason = can(s, one); ok {
				return true, ""
			}
		}
		return false, reason
	}
}

func canEnable(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	if reason == "" && v.Desired.Enabled && v.Desired.Running {
		reason = "already enabled"
	}
	return reason == "", reason
}

func canDisable(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	if reason == "" && !v.Desired.Enabled && !v.Desired.Running {
		reason = "already disabled"
	}
	return reason == "", reason
}

func canStart(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	if reason == "" && v.Desired.Running {
		switch v.State {
		case state.ServiceScheduled: // it runs now
		case state.ServiceFailed:
			reason = "it failed: restart it"
		case state.ServiceCompleted:
			reason = "it completed: restart it"
		default:
			reason = "already started"
		}
	}
	return reason == "", reason
}

func canStop(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	switch {
	case reason != "":
	case v.State == state.ServiceStopping && !v.Desired.Running:
		reason = "already stopping"
	case !v.Desired.Running && !v.Alive():
		reason = "already stopped"
	}
	return reason == "", reason
}

func canRestart(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	if reason == "" && !v.Desired.Running {
		reason = "it is not wanted: start it"
	}
	return reason == "", reason
}

func canReload(s state.State, id events.Entity) (bool, string) {
	v, reason := service(s, id)
	switch {
	case reason != "":
	case v.Registered.Reload == "":
		reason = "its spec has no process.reloadSignal: restart it"
	case v.State != state.ServiceRunning:
		reason = "it does not run"
	}
	return reason == "", reason
}

func canLogs(s state.State, id events.Entity) (bool, string) {
	_, isService := s.Services[id]
	_, isDaemon := s.Daemons[id]
	_, isRun := s.Runs[id]
	if !isService && !isDaemon && !isRun {
		return false, "there is no service, daemon or run of this name"
	}
	return true, ""
}

func canRun(s state.State, _ events.Entity) (bool, string) {
	switch {
	case goingDown(s):
		return false, "the node is going down"
	case !s.Ready[events.Pipelined].Ready:
		return false, "pipelined is not ready"
	}
	return true, ""
}

func canCancel(s state.State, id events.Entity) (bool, string) {
	r, ok := s.Runs[id]
	switch {
	case !ok:
		return false, "there is no run of this name"
	case r.Ended():
		return false, "the run has ended: " + string(r.State)
	}
	return true, ""
}

func canApply(s state.State, _ events.Entity) (bool, string) {
	switch {
	case goingDown(s):
		return false, "the node is going down"
	case !s.Ready[events.Procd].Ready:
		return false, "procd is not ready"
	}
	return true, ""
}

func canShutdown(s state.State, _ events.Entity) (bool, string) {
	if goingDown(s) {
		return false, "the node is going down"
	}
	return true, ""
}
