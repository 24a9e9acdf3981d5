package state_test

import (
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// The reason of a closed route is the service's as it is now, not as it was when the
// edge closed it.
func TestRouteReason(t *testing.T) {
	running := func(h state.Health, reason string) state.Service {
		return state.Service{State: state.ServiceRunning, Health: h, Reason: reason}
	}
	for name, c := range map[string]struct {
		route   state.Route
		service state.Service
		want    string
	}{
		"stopped since":       {closed("stopping: not wanted"), state.Service{State: state.ServiceStopped, Reason: "not wanted"}, "stopped: not wanted"},
		"of a boot before":    {closed("stopping: not wanted"), state.Service{State: state.ServiceIdle}, "not started"},
		"starts again":        {closed("failed: 5 crashes"), state.Service{State: state.ServiceStarting}, "starting"},
		"unready":             {closed("new to the edge"), running(state.HealthUnready, "status 503"), "not ready: status 503"},
		"not yet known":       {closed("new to the edge"), running(state.HealthUnknown, ""), "starting"},
		"about to be open":    {closed("starting"), running(state.HealthHealthy, ""), "starting"},
		"open though it ends": {state.Route{Service: "alpha", State: state.RouteOpen}, state.Service{State: state.ServiceStopping, Reason: "x"}, ""},
		"refused":             {state.Route{Service: "alpha", State: state.RouteRefused, Reason: "a host twice"}, state.Service{State: state.ServiceIdle}, "a host twice"},
	} {
		s := state.New("local")
		s.Routes["alpha"], s.Services["alpha"] = c.route, c.service
		if got := s.RouteReason("alpha"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := state.Document(s).Routes[0].Reason; got != c.want {
			t.Errorf("%s in the document: %q, want %q", name, got, c.want)
		}
	}
	s := state.New("local")
	s.Routes["alpha"] = closed("stopping")
	if got := s.RouteReason("alpha") + s.RouteReason("nobody"); got != "stopping" {
		t.Errorf("without its service: %q", got)
	}
}

func closed(reason string) state.Route {
	return state.Route{Service: "alpha", State: state.RouteClosed, Reason: reason, Routes: []events.Route{}}
}
