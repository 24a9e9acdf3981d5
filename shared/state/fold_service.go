package state

import (
	"fmt"
	"time"

	"core.internal/shared/events"
)

func foldService(b *Builder, e events.Envelope, body events.Body) {
	m, own := &b.s.Services, &b.own.services
	if e.Source == events.Launcher {
		m, own = &b.s.Daemons, &b.own.daemons
	}
	all := write(m, own)
	if _, ok := body.(events.ServiceUnregistered); ok {
		delete(all, e.Entity)
		return
	}
	s, ok := all[e.Entity]
	if !ok {
		s = Service{ID: e.Entity, Node: e.Node, Source: e.Source, State: ServiceIdle, Health: HealthUnknown}
	}
	all[e.Entity] = s.fold(e, body)
}

// fold writes each field without regard to what stood there: a field has the
// value that the latest of the facts which write it gave. So the latest fact of
// each type is all that is needed, see the package's documentation.
func (s Service) fold(e events.Envelope, body events.Body) Service {
	s.Seq = e.Seq
	switch f := body.(type) {
	case events.ServiceRegistered:
		s.Registered = f
		if s.State == ServiceIdle {
			s.Since = e.Time
		}
	case events.ServiceDesired:
		s.Desired = f
	case events.ServiceWaiting:
		s = s.down(ServiceWaiting, e.Time, f.Reason)
	case events.ServiceScheduled:
		s = s.down(ServiceScheduled, e.Time, f.Reason)
		s.Until, s.Answers = f.Next.UTC(), f.Restart
	case events.ServiceStarting:
		s = s.down(ServiceStarting, e.Time, "")
		s.Instance, s.Restarts = f.Instance, f.Restarts
	case events.ServiceStarted:
		s.State, s.Since, s.Until, s.Reason = ServiceRunning, e.Time, time.Time{}, ""
		s.Instance, s.PID, s.Restarts, s.Answers = f.Instance, f.PID, f.Restarts, f.Restart
		s.Ports, s.Routes, s.Unenforced = f.Ports, f.Routes, f.Unenforced
	case events.ServiceRerouted:
		s.Routes = f.Routes
	case events.ServiceHealthy:
		s.Health, s.HealthyAt, s.Reason = HealthHealthy, e.Time, ""
	case events.ServiceUnhealthy:
		s.Health, s.HealthyAt, s.Reason = HealthUnhealthy, time.Time{}, f.Reason
	case events.ServiceUnready:
		s.Health, s.HealthyAt, s.Reason = HealthUnready, time.Time{}, f.Reason
	case events.ServiceLinesDropped:
		s.Dropped = f.Lines
	case events.ServiceStopping:
		s.State, s.Since, s.Until, s.Reason = ServiceStopping, e.Time, time.Time{}, f.Reason
		s.Health, s.HealthyAt = HealthUnknown, time.Time{}
	case events.ServiceExited:
		s = s.down(ServiceExited, e.Time, ExitReason(f))
		s.LastExit = &f
	case events.ServiceBackedOff:
		s = s.down(ServiceBackoff, e.Time, f.Reason)
		s.Until, s.Restarts = f.Until.UTC(), f.Restarts
	case events.ServiceExhausted:
		s = s.down(ServiceFailed, e.Time, f.Reason)
	case events.ServiceCompleted:
		s = s.down(ServiceCompleted, e.Time, "")
	case events.ServiceStopped:
		s = s.down(ServiceStopped, e.Time, f.Reason)
	}
	return s
}

// down is s in a state without a process.
func (s Service) down(to ServiceState, since time.Time, reason string) Service {
	s.State, s.Since, s.Until, s.Reason = to, since, time.Time{}, reason
	s.Health, s.HealthyAt = HealthUnknown, time.Time{}
	s.Instance, s.PID, s.Ports, s.Routes, s.Unenforced, s.Dropped = "", 0, nil, nil, "", 0
	return s
}

// Why is the reason of its state, or else what is to be known about it.
func (s Service) Why() string {
	if s.Reason == "" {
		return s.Unenforced
	}
	return s.Reason
}

// ExitReason says in words how a process ended.
func ExitReason(f events.ServiceExited) string {
	switch {
	case f.Reason != "":
		return f.Reason
	case f.Signal != "":
		return "killed by " + f.Signal
	case f.Unknown:
		return "ended while nobody watched"
	case f.Expected && f.Code == 0:
		return ""
	}
	return fmt.Sprintf("exit status %d", f.Code)
}

// Ended begins the reason of a stop that nobody asked for: the process ended, and what
// follows its end runs.
const Ended = "ended: "

// Unhealthy begins the reason of a stop for what a health check said.
const Unhealthy = "unhealthy: "

// Alive reports whether the service has, or is about to have, a process.
func (s Service) Alive() bool {
	return s.State == ServiceStarting || s.State == ServiceRunning || s.State == ServiceStopping
}

// Serving reports whether the service does its work: the edge forwards to it
// and its dependents may start.
func (s Service) Serving() bool {
	return s.State == ServiceRunning && s.Health == HealthHealthy
}

// Settled reports whether the service is as it should be where it is wanted: it
// does its work, has done it, or waits for its time.
func (s Service) Settled() bool {
	return s.Serving() || s.State == ServiceCompleted || s.State == ServiceScheduled && s.Reason == ""
}

// Want says in one word what operators want of the service: "enabled" (now and
// at boot), "started" (now only), "stopped" (at the next boot only) or
// "disabled".
func (s Service) Want() string {
	switch d := s.Desired; {
	case d.Enabled && d.Running:
		return "enabled"
	case d.Running:
		return "started"
	case d.Enabled:
		return "stopped"
	}
	return "disabled"
}
