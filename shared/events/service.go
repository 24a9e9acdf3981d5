package events

import "time"

// Facts about a supervised process, stated by its supervisor: by procd about
// services, by the launcher about daemons. Instance names one run of the
// process; it is new with every start.
type (
	// ServiceRegistered says that a valid spec for the service is known.
	ServiceRegistered struct {
		Name         string   `json:"name"`
		Description  string   `json:"description,omitempty"`
		Icon         string   `json:"icon,omitempty"`
		Digest       string   `json:"digest"` // sha256 of the spec, hexadecimal
		Required     bool     `json:"required,omitempty"`
		Dependencies []string `json:"dependencies,omitempty"`
		Profiles     []string `json:"profiles,omitempty"`
		// ReplicaOf is the id in the spec of which this is one of several
		// replicas.
		ReplicaOf string `json:"replica_of,omitempty"`
		// Type is "oneshot" or "cron"; empty for what runs until it is stopped.
		Type string `json:"type,omitempty"`
		// Schedule says when a cron job runs, as in "@hourly" or "0 3 * * *
		// Europe/Berlin".
		Schedule string `json:"schedule,omitempty"`
		// Routes has the hosts and paths that the edge answers for the
		// service, without upstreams: those are known when it has started.
		Routes []Route `json:"routes,omitempty"`
		// Reload is the signal that makes it read its configuration again, as in
		// "SIGHUP"; empty if there is none.
		Reload string `json:"reload,omitempty"`
	}
	// ServiceUnregistered says that the service's spec is gone.
	ServiceUnregistered struct{}
	// ServiceDesired says what operators and the profile want.
	ServiceDesired struct {
		Enabled bool `json:"enabled"` // wanted at every boot
		Running bool `json:"running"` // wanted now
		// Restart is the id of the last restart request; an instance started
		// for an earlier one is to be replaced.
		Restart ID `json:"restart,omitempty"`
	}
	// ServiceWaiting says that a wanted service cannot start yet.
	ServiceWaiting struct {
		On     []string `json:"on,omitempty"` // the dependencies that are not healthy
		Reason string   `json:"reason"`
	}
	// ServiceScheduled says when a cron job that is wanted runs next.
	ServiceScheduled struct {
		Next time.Time `json:"next"`
		// Reason says why the last run failed; empty where it did not, or there
		// was none.
		Reason string `json:"reason,omitempty"`
		// Restart is the request that the last run answered.
		Restart ID `json:"restart,omitempty"`
	}
	// ServiceStarting is the intent to start an instance.
	ServiceStarting struct {
		Instance string `json:"instance"`
		// Restarts counts those by the restart policy since the supervisor's boot: after
		// an end that nobody asked for, and for its health.
		Restarts int `json:"restarts"`
	}
	// ServicePrepared says what was made or changed for an instance before it
	// was started; it is not stated where all was in place.
	ServicePrepared struct {
		Instance string `json:"instance"`
		// Changes are in words, with paths below the node directory, in order.
		Changes []string `json:"changes"`
	}
	// ServiceStarted says that the process runs.
	ServiceStarted struct {
		Instance string  `json:"instance"`
		PID      int     `json:"pid"`
		Restarts int     `json:"restarts"`
		Ports    []Port  `json:"ports,omitempty"`
		Routes   []Route `json:"routes,omitempty"` // with upstreams
		// Adopted: the process was found running by a restarted supervisor.
		Adopted bool `json:"adopted,omitempty"`
		// Restart is the request that this instance answers.
		Restart ID `json:"restart,omitempty"`
		// Unenforced says which resources of its spec nobody enforces, and why.
		Unenforced string `json:"unenforced,omitempty"`
	}
	// ServiceRerouted says that the routes of a running instance lead elsewhere,
	// because its spec changed.
	ServiceRerouted struct {
		Instance string  `json:"instance"`
		Routes   []Route `json:"routes,omitempty"` // with upstreams
	}
	// ServiceHealthy says that the instance is ready for work: its health
	// check passed, or it has none and runs.
	ServiceHealthy struct {
		Instance string `json:"instance"`
	}
	// ServiceUnhealthy says that a running instance fails its health check, or
	// the one of its liveness where it has two.
	ServiceUnhealthy struct {
		Instance string `json:"instance"`
		Reason   string `json:"reason"`
	}
	// ServiceUnready says that a running instance fails its readiness check: it
	// cannot do its work now, and is left alone.
	ServiceUnready struct {
		Instance string `json:"instance"`
		Reason   string `json:"reason"`
	}
	// ServiceLinesDropped says that an instance writes more lines than its
	// spec lets travel. Its supervisor states it once a minute at most.
	ServiceLinesDropped struct {
		Instance string `json:"instance"`
		Lines    int    `json:"lines"` // that did not travel since the instance was started or adopted
	}
	// ServiceStopping is the intent to end the instance, or says that it ended and
	// what its spec has to follow runs.
	ServiceStopping struct {
		Instance string `json:"instance"`
		Reason   string `json:"reason"`
	}
	// ServiceExited says that the instance's process is gone, and that what its spec has
	// to follow is over.
	ServiceExited struct {
		Instance string `json:"instance"`
		PID      int    `json:"pid"`
		Code     int    `json:"code"`             // exit status; -1 where a signal ended it or it is unknown
		Signal   string `json:"signal,omitempty"` // as in "SIGKILL"
		Unknown  bool   `json:"unknown,omitempty"`
		Expected bool   `json:"expected"` // it was being stopped, or did what it was started for
		// LastLines are the last lines the process wrote, oldest first.
		LastLines []string `json:"last_lines,omitempty"`
		Reason    string   `json:"reason,omitempty"` // why it could not start at all
	}
	// ServiceBackedOff says when the service is started again.
	ServiceBackedOff struct {
		Until    time.Time `json:"until"`
		Restarts int       `json:"restarts"`
		Reason   string    `json:"reason"`
	}
	// ServiceExhausted says that the service failed for good: it is not
	// started again before an operator asks.
	ServiceExhausted struct {
		Reason    string   `json:"reason"`
		LastLines []string `json:"last_lines,omitempty"`
	}
	// ServiceCompleted says that the process ended well and stays ended by its
	// restart policy.
	ServiceCompleted struct {
		Instance string `json:"instance"`
	}
	// ServiceStopped says that nothing of the service runs, as desired.
	ServiceStopped struct {
		Reason string `json:"reason,omitempty"`
	}
)

// Port is a port as a running instance has it.
type Port struct {
	Name     string `json:"name"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"` // tcp, udp, http, https or grpc
	// Address is the one that the service listens on; 127.0.0.1 if empty.
	Address string `json:"address,omitempty"`
	// Source says where the number comes from: "fixed" by the spec, of its
	// "range", or "auto" for any free one.
	Source string `json:"source,omitempty"`
}

// Route is what the edge forwards to a service: requests to one of Hosts (any
// host if empty) whose path begins with one of Paths (any path if empty).
type Route struct {
	Hosts     []string `json:"hosts,omitempty"`
	Paths     []string `json:"paths,omitempty"`
	Upstreams []string `json:"upstreams,omitempty"` // host:port
	// Health is an active check of the upstreams by the edge itself.
	Health *RouteHealth `json:"health,omitempty"`
}

// RouteHealth is an active health check by the edge.
type RouteHealth struct {
	Path       string `json:"path"`
	IntervalMS int64  `json:"interval_ms"`
	TimeoutMS  int64  `json:"timeout_ms"`
}

func (ServiceRegistered) EventType() Type   { return "service.registered" }
func (ServiceUnregistered) EventType() Type { return "service.unregistered" }
func (ServiceDesired) EventType() Type      { return "service.desired" }
func (ServiceWaiting) EventType() Type      { return "service.waiting" }
func (ServiceScheduled) EventType() Type    { return "service.scheduled" }
func (ServiceStarting) EventType() Type     { return "service.starting" }
func (ServicePrepared) EventType() Type     { return "service.prepared" }
func (ServiceStarted) EventType() Type      { return "service.started" }
func (ServiceRerouted) EventType() Type     { return "service.rerouted" }
func (ServiceHealthy) EventType() Type      { return "service.healthy" }
func (ServiceUnhealthy) EventType() Type    { return "service.unhealthy" }
func (ServiceUnready) EventType() Type      { return "service.unready" }
func (ServiceLinesDropped) EventType() Type { return "service.lines_dropped" }
func (ServiceStopping) EventType() Type     { return "service.stopping" }
func (ServiceExited) EventType() Type       { return "service.exited" }
func (ServiceBackedOff) EventType() Type    { return "service.backed_off" }
func (ServiceExhausted) EventType() Type    { return "service.exhausted" }
func (ServiceCompleted) EventType() Type    { return "service.completed" }
func (ServiceStopped) EventType() Type      { return "service.stopped" }

func (ServiceRegistered) EventVersion() int   { return 1 }
func (ServiceUnregistered) EventVersion() int { return 1 }
func (ServiceDesired) EventVersion() int      { return 1 }
func (ServiceWaiting) EventVersion() int      { return 1 }
func (ServiceScheduled) EventVersion() int    { return 1 }
func (ServiceStarting) EventVersion() int     { return 1 }
func (ServicePrepared) EventVersion() int     { return 1 }
func (ServiceStarted) EventVersion() int      { return 1 }
func (ServiceRerouted) EventVersion() int     { return 1 }
func (ServiceHealthy) EventVersion() int      { return 1 }
func (ServiceUnhealthy) EventVersion() int    { return 1 }
func (ServiceUnready) EventVersion() int      { return 1 }
func (ServiceLinesDropped) EventVersion() int { return 1 }
func (ServiceStopping) EventVersion() int     { return 1 }
func (ServiceExited) EventVersion() int       { return 1 }
func (ServiceBackedOff) EventVersion() int    { return 1 }
func (ServiceExhausted) EventVersion() int    { return 1 }
func (ServiceCompleted) EventVersion() int    { return 1 }
func (ServiceStopped) EventVersion() int      { return 1 }
