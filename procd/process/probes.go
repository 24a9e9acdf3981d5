package process

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/events"
	"core.internal/shared/process/health"
	"core.internal/shared/state"
)

// Probes are the figures of health checks as metrics: how long those of each
// service take, and the last of them.
type Probes struct {
	services func() state.State
	seconds  *prometheus.HistogramVec
	last     *prometheus.GaugeVec
	failed   *prometheus.CounterVec

	mu    sync.Mutex
	known map[string]time.Duration // the last check of each service with figures; guarded by mu
}

// NewProbes returns figures of nothing. Those of services that a state does not
// have any more are dropped when it is asked for, at a scrape.
func NewProbes(services func() state.State) *Probes {
	labels := []string{"service", "check"}
	return &Probes{
		services: services, known: map[string]time.Duration{},
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "core_service_probe_seconds", Help: "How long health checks took, those that failed too.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, labels),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "core_service_probe_last_seconds", Help: "How long the last health check took.",
		}, labels),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "core_service_probe_failures_total", Help: "Health checks that failed, those before the service was up too.",
		}, labels),
	}
}

// Probed counts one check; see [core.internal/shared/supervisor.Options].
func (p *Probes) Probed(t health.Target, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[t.ID] = took
	labels := []string{t.ID, string(t.Purpose)}
	p.seconds.WithLabelValues(labels...).Observe(took.Seconds())
	p.last.WithLabelValues(labels...).Set(took.Seconds())
	failed := p.failed.WithLabelValues(labels...)
	if err != nil {
		failed.Inc()
	}
}

// Last is how long the last check of a service took; 0 where it has none.
func (p *Probes) Last(id string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[id]
}

// Describe implements [prometheus.Collector].
func (p *Probes) Describe(ch chan<- *prometheus.Desc) {
	p.seconds.Describe(ch)
	p.last.Describe(ch)
	p.failed.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (p *Probes) Collect(ch chan<- prometheus.Metric) {
	services := p.services().Services
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.known {
		if _, there := services[events.Entity(id)]; there {
			continue
		}
		delete(p.known, id)
		gone := prometheus.Labels{"service": id}
		p.seconds.DeletePartialMatch(gone)
		p.last.DeletePartialMatch(gone)
		p.failed.DeletePartialMatch(gone)
	}
	p.seconds.Collect(ch)
	p.last.Collect(ch)
	p.failed.Collect(ch)
}
