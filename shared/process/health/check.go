package health

import (
	"cmp"
	"time"

	"core.internal/shared/spec"
)

// Check is how one instance is probed. Zero durations and counts mean the
// schema's defaults.
type Check struct {
	Type     spec.HealthType
	Endpoint string // http: a URL; tcp and grpc: host:port; bus: the subject of its heartbeats
	Expected []int  // http: statuses that are healthy; any 2xx if empty
	Command  []string
	Env      []string // exec: its complete environment
	Dir      string   // exec
	Service  string   `json:",omitempty"` // grpc: what is asked about; the whole server if empty
	Pattern  string   `json:",omitempty"` // log: what a line must match

	Interval, Timeout, StartPeriod time.Duration
	Threshold                      int // failures in a row that make it unhealthy
	Successes                      int // successes in a row that make it healthy
}

// The schema's defaults.
const (
	DefaultInterval    = 5 * time.Second
	DefaultTimeout     = 3 * time.Second
	DefaultStartPeriod = 30 * time.Second
	DefaultThreshold   = 3
	DefaultSuccesses   = 1
)

// StartsLate is how long after its start it is worth saying what an instance lacks to
// be healthy.
const StartsLate = 5 * time.Second

func (c Check) withDefaults() Check {
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.StartPeriod = cmp.Or(c.StartPeriod, DefaultStartPeriod)
	c.Threshold = cmp.Or(c.Threshold, DefaultThreshold)
	c.Successes = cmp.Or(c.Successes, DefaultSuccesses)
	return c
}

// Verdict is what the probes so far say.
type Verdict struct {
	Healthy bool
	Reason  string // of the last failure
	// Early says that it is not final: the instance has the rest of its start
	// period to become healthy.
	Early bool
}

// Tracker turns the results of probes into verdicts. The zero value has no
// verdict yet.
type Tracker struct {
	known     bool
	healthy   bool
	warned    bool // of a start that takes long
	failures  int  // in a row, that count
	successes int  // in a row, while it is not healthy
}

// Healthy reports whether the last verdict was healthy.
func (t *Tracker) Healthy() bool { return t.known && t.healthy }

// Observe adds the result of a probe made so long after the start of the
// instance, and reports whether the verdict changed. Before the first success,
// failures within the start period do not count; what is still missing after
// [StartsLate] is an early verdict, once.
func (t *Tracker) Observe(c Check, err error, uptime time.Duration) (Verdict, bool) {
	c = c.withDefaults()
	if err == nil {
		t.failures = 0
		if t.Healthy() {
			return Verdict{Healthy: true}, false
		}
		if t.successes++; t.successes < c.Successes {
			return Verdict{}, false
		}
		t.known, t.healthy, t.successes = true, true, 0
		return Verdict{Healthy: true}, true
	}
	t.successes = 0
	v := Verdict{Healthy: t.Healthy(), Reason: err.Error()}
	if !t.known && uptime < c.StartPeriod {
		v.Early = uptime >= StartsLate && !t.warned
		t.warned = t.warned || v.Early
		return v, v.Early
	}
	t.failures++
	if t.failures < c.Threshold || t.known && !t.healthy {
		return v, false
	}
	t.known, t.healthy = true, false
	return Verdict{Reason: err.Error()}, true
}

// The cadence before the first success.
const (
	firstPause  = 2 * time.Millisecond
	growth      = 1.25
	longestWait = 500 * time.Millisecond
)

// pause returns how long to wait for the next probe, given the last pause (0
// before the first).
func (t *Tracker) pause(c Check, last, uptime time.Duration) time.Duration {
	if t.known || uptime >= c.StartPeriod {
		return c.Interval
	}
	next := max(firstPause, time.Duration(float64(last)*growth))
	return min(next, longestWait, c.Interval)
}
