package events

import "time"

// Usage is what the processes of one supervisor's services use, as of Time: the
// value behind [UsageKey]. It is a sample and no fact: nothing is folded from it.
type Usage struct {
	Time     time.Time               `json:"time"`
	Services map[Entity]ServiceUsage `json:"services"`
}

// ServiceUsage is what all processes of one instance use together.
type ServiceUsage struct {
	Instance   string  `json:"instance"`
	Processes  int     `json:"processes"`
	CPUSeconds float64 `json:"cpu_seconds"` // since the instance was started
	// CPUPercent is the part of one core since the sample before; two busy
	// cores are 200.
	CPUPercent    float64 `json:"cpu_percent"`
	ResidentBytes int64   `json:"resident_bytes"`
	OpenFDs       int     `json:"open_fds"` // -1 if not known
	// HealthMS is how long the last health check took; absent without one.
	HealthMS float64 `json:"health_ms,omitempty"`
}

// Of returns the usage of an instance that runs; false where the sample has
// none, or one of an instance before it.
func (u Usage) Of(id Entity, instance string) (ServiceUsage, bool) {
	one, ok := u.Services[id]
	return one, ok && one.Instance == instance && instance != ""
}
