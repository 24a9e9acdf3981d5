package process

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/state"
)

// metrics shows a supervisor's services to Prometheus.
type metrics struct {
	services func() state.State
	now      func() time.Time

	state, healthy, restarts, uptime, enabled *prometheus.Desc
}

// Metrics returns the figures of the services of a state, which is asked for at
// every scrape.
func Metrics(services func() state.State, now func() time.Time) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("core_service_"+name, help, append([]string{"service"}, labels...), nil)
	}
	return &metrics{
		services: services, now: now,
		state:    desc("state", "1 for the state that the service is in.", "state"),
		healthy:  desc("healthy", "1 while the service runs and passes its health check."),
		restarts: desc("restarts_total", "Starts after the first since procd came up."),
		uptime:   desc("uptime_seconds", "Seconds since the running instance was started or adopted; 0 while none runs."),
		enabled:  desc("enabled", "1 if the service is wanted at every boot."),
	}
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.state, m.healthy, m.restarts, m.uptime, m.enabled} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range state.Sorted(m.services().Services) {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{string(s.ID)}, labels...)...)
		}
		uptime := 0.0
		if s.State == state.ServiceRunning {
			uptime = max(0, m.now().Sub(s.Since).Seconds())
		}
		gauge(m.state, 1, string(s.State))
		gauge(m.healthy, flag(s.Serving()))
		gauge(m.uptime, uptime)
		gauge(m.enabled, flag(s.Desired.Enabled))
		ch <- prometheus.MustNewConstMetric(m.restarts, prometheus.CounterValue, float64(s.Restarts), string(s.ID))
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
