package spec

// Health says how to know that a service works. Its own members are one check for both purposes; liveness and readiness each replace it for theirs.
type Health struct {
	Probe
	// Whether the service must be restarted; while it fails the edge sends it nothing.
	Liveness *Probe `json:"liveness,omitempty"`
	// Whether the service can do its work; while it fails the edge sends it nothing and dependents wait, but it is not restarted.
	Readiness *Probe `json:"readiness,omitempty"`
}

// Probe is one check of a running service.
type Probe struct {
	// How it is asked: over HTTP, by a connection, by a command, over grpc.health.v1, by its heartbeat on the bus, or by a line that it writes. A service without a check is healthy while it runs.
	Type HealthType `json:"type,omitempty" spec:"enum=http|tcp|exec|grpc|bus|log|none;default=none"`
	// Time between checks.
	Interval Duration `json:"interval,omitempty" spec:"default=5s"`
	// Time one check may take; for bus, how late a heartbeat may be after an interval: both together are more than the second between two heartbeats.
	Timeout Duration `json:"timeout,omitempty" spec:"default=3s"`
	// For http a URL, for tcp and grpc host:port; the primary port if empty.
	Endpoint string `json:"endpoint,omitempty" spec:"placeholders;when=type:http|tcp|grpc"`
	// For http: statuses that are healthy; any 2xx if empty.
	ExpectedStatus []int `json:"expectedStatus,omitempty" spec:"min=100;max=599;unique;when=type:http"`
	// For exec: command and arguments; exit status 0 is healthy.
	Command []string `json:"command,omitempty" spec:"placeholders;least=1;when=type:exec;must"`
	// For grpc: name of the service asked about; the whole server if empty.
	Service string `json:"service,omitempty" spec:"shape=line;when=type:grpc"`
	// For log: regular expression (RE2) of a line that says that it is ready.
	Pattern string `json:"pattern,omitempty" spec:"shape=regexp;when=type:log;must"`
	// How long after a start failures do not count.
	StartPeriod Duration `json:"startPeriod,omitempty" spec:"default=30s"`
	// Failures in a row that make it unhealthy.
	FailureThreshold int `json:"failureThreshold,omitempty" spec:"min=0;max=1000;default=3"`
	// Successes in a row that make it healthy.
	SuccessThreshold int `json:"successThreshold,omitempty" spec:"min=1;max=1000;default=1"`
}

// HealthType is a kind of check.
type HealthType string

// Health checks.
const (
	HealthHTTP HealthType = "http"
	HealthTCP  HealthType = "tcp"
	HealthExec HealthType = "exec"
	HealthGRPC HealthType = "grpc"
	HealthBus  HealthType = "bus"
	HealthLog  HealthType = "log"
	HealthNone HealthType = "none"
)

// LivenessProbe is the check whose failure has the service restarted.
func (h Health) LivenessProbe() Probe {
	if h.Liveness != nil {
		return *h.Liveness
	}
	return h.Probe
}

// ReadinessProbe is the check that says whether the service is ready.
func (h Health) ReadinessProbe() Probe {
	if h.Readiness != nil {
		return *h.Readiness
	}
	return h.Probe
}

// probe is one of a service's checks and where it stands.
type probe struct {
	*Probe
	at string
}

// probes lists the checks, also those of type none.
func (h *Health) probes() []probe {
	list := []probe{{&h.Probe, "health"}}
	if h.Liveness != nil {
		list = append(list, probe{h.Liveness, "health.liveness"})
	}
	if h.Readiness != nil {
		list = append(list, probe{h.Readiness, "health.readiness"})
	}
	return list
}
