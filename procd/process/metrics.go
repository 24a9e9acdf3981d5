package process

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// metrics shows a supervisor's services to Prometheus.
type metrics struct {
	services func() state.State
	usage    func() events.Usage
	now      func() time.Time

	state, healthy, restarts, uptime, enabled *prometheus.Desc
	cpu, resident, fds, processes             *prometheus.Desc
}

// Metrics returns the figures of the services of a state and of what their
// processes use; both are asked for at every scrape.
func Metrics(services func() state.State, usage func() events.Usage, now func() time.Time) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("core_service_"+name, help, append([]string{"service"}, labels...), nil)
	}
	return &metrics{
		services: services, usage: usage, now: now,
		state:    desc("state", "1 for the state that the service is in.", "state"),
		healthy:  desc("healthy", "1 while the service runs and passes its health check."),
		restarts: desc("restarts_total", "Restarts by the restart policy since the node came up."),
		uptime:   desc("uptime_seconds", "Seconds since the running instance was started or adopted; 0 while none runs."),
		enabled:  desc("enabled", "1 if the service is wanted at every boot."),

		cpu:       desc("cpu_seconds_total", "User and system time of the processes of the running instance and of those they waited for."),
		resident:  desc("resident_bytes", "Resident memory of the processes of the running instance; what they share counts for each."),
		fds:       desc("open_fds", "Open file descriptors of the processes of the running instance, where they may be counted."),
		processes: desc("processes", "Processes of the running instance."),
	}
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.state, m.healthy, m.restarts, m.uptime, m.enabled, m.cpu, m.resident, m.fds, m.processes} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	usage := m.usage()
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
		u, ok := usage.Of(s.ID, s.Instance)
		if !ok {
			continue
		}
		ch <- prometheus.MustNewConstMetric(m.cpu, prometheus.CounterValue, u.CPUSeconds, string(s.ID))
		gauge(m.resident, float64(u.ResidentBytes))
		gauge(m.processes, float64(u.Processes))
		if u.OpenFDs >= 0 {
			gauge(m.fds, float64(u.OpenFDs))
		}
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
