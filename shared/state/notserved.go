package state

import "core.internal/shared/events"

// NotServed says in a few words why the edge does not forward to a service that is
// not [Service.Serving].
func (s Service) NotServed() string {
	switch s.State {
	case ServiceIdle:
		return "not started"
	case ServiceWaiting:
		return because("waiting", s.Reason)
	case ServiceStarting:
		return "starting"
	case ServiceRunning:
		if s.Health == HealthUnhealthy {
			return because("unhealthy", s.Reason)
		}
		if s.Health == HealthUnready {
			return because("not ready", s.Reason)
		}
		return "starting"
	case ServiceBackoff:
		return because("starts again soon", s.Reason)
	case ServiceFailed:
		return because("failed", s.Reason)
	}
	return because(string(s.State), s.Reason) // stopping, exited, completed, stopped
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// RouteReason says why a service's route is not open now; empty where it is. The
// edge states why it closed one, and nothing more while it stays closed.
func (s State) RouteReason(service events.Entity) string {
	r := s.Routes[service]
	if v, ok := s.Services[service]; ok && r.State == RouteClosed && !v.Serving() {
		return v.NotServed()
	}
	return r.Reason
}
