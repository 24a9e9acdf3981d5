package ui

import (
	"core.internal/shared/events"
	"core.internal/shared/state"
)

func stageTone(s state.StageState) Tone {
	switch s {
	case state.StageReady:
		return OK
	case state.StageFailed:
		return Bad
	case state.StageStarting, state.StageStopping:
		return Warn
	}
	return Idle
}

func serviceTone(v state.Service) Tone {
	switch v.State {
	case state.ServiceScheduled:
		if v.Reason != "" {
			return Bad // its last run failed
		}
	case state.ServiceRunning:
		switch v.Health {
		case state.HealthHealthy:
			return OK
		case state.HealthUnhealthy:
			return Bad
		}
		return Warn
	case state.ServiceFailed:
		return Bad
	case state.ServiceWaiting, state.ServiceStarting, state.ServiceStopping, state.ServiceBackoff, state.ServiceExited:
		return Warn
	}
	return Idle
}

func health(v state.Service) Badge {
	switch v.Health {
	case state.HealthHealthy:
		return Badge{string(v.Health), OK}
	case state.HealthUnhealthy:
		return Badge{string(v.Health), Bad}
	case state.HealthUnready:
		return Badge{string(v.Health), Warn}
	}
	if v.State == state.ServiceRunning {
		return Badge{"checking", Warn}
	}
	return Badge{"", Idle}
}

func stepBadge(s events.StepState) Badge {
	tone := Idle
	switch s {
	case events.StepCompleted:
		tone = OK
	case events.StepFailed:
		tone = Bad
	case events.StepRunning, events.StepCancelled:
		tone = Warn
	}
	return Badge{string(s), tone}
}

func routeTone(s state.RouteState) Tone {
	switch s {
	case state.RouteOpen:
		return OK
	case state.RouteClosed:
		return Warn
	}
	return Bad
}
