package caddy

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// metrics are the edge's own figures, and Caddy's.
type metrics struct {
	reloads  *prometheus.CounterVec
	took     prometheus.Gauge
	sites    *prometheus.GaugeVec
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	caddy atomic.Pointer[prometheus.Registry]
}

func newMetrics() *metrics {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "core_edge_reloads_total", Help: "Changes of what is served, by result.",
		}, []string{"result"}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "core_edge_last_reload_seconds", Help: "How long the last change took.",
		}),
		sites: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "core_edge_sites", Help: "Services that the edge knows, by what it does with their requests.",
		}, []string{"state"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "core_edge_requests_total", Help: "Requests to services, by status.",
		}, []string{"service", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "core_edge_request_seconds", Help: "How long requests to services took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"service"}),
	}
	m.count(nil, nil)
	for _, result := range []string{"ok", "refused", "failed"} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// reload is told of each change; refused says whether a service was left out.
func (m *metrics) reload(took time.Duration, refused bool, err error) {
	result := "ok"
	switch {
	case err != nil:
		result = "failed"
	case refused:
		result = "refused"
	}
	m.reloads.WithLabelValues(result).Inc()
	m.took.Set(took.Seconds())
}

func (m *metrics) count(sites []site.Site, refused map[events.Entity]string) {
	n := map[state.RouteState]int{state.RouteOpen: 0, state.RouteClosed: 0, state.RouteRefused: 0}
	for _, s := range sites {
		if _, bad := refused[s.Service]; bad {
			s.State = state.RouteRefused
		}
		n[s.State]++
	}
	for s, count := range n {
		m.sites.WithLabelValues(string(s)).Set(float64(count))
	}
}

func (m *metrics) request(service, code string, took time.Duration) {
	m.requests.WithLabelValues(service, code).Inc()
	m.seconds.WithLabelValues(service).Observe(took.Seconds())
}

// Collector returns the figures of the edge and of Caddy.
func (s *Server) Collector() prometheus.Collector { return s.m }

// Describe implements [prometheus.Collector]. It describes nothing: what Caddy
// measures is Caddy's to say.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.reloads, m.took, m.sites, m.requests, m.seconds} {
		c.Collect(ch)
	}
	registry := m.caddy.Load()
	if registry == nil {
		return
	}
	families, _ := registry.Gather() // what could be gathered is there beside the error
	for _, f := range families {
		// The figures of the process are the daemon's.
		if !strings.HasPrefix(f.GetName(), "caddy_") {
			continue
		}
		for _, one := range f.Metric {
			ch <- measured{f, one}
		}
	}
}

// measured is a metric as somebody else measured it.
type measured struct {
	family *dto.MetricFamily
	metric *dto.Metric
}

func (m measured) Desc() *prometheus.Desc {
	var labels []string
	for _, l := range m.metric.Label {
		labels = append(labels, l.GetName())
	}
	return prometheus.NewDesc(m.family.GetName(), m.family.GetHelp(), labels, nil)
}

func (m measured) Write(out *dto.Metric) error {
	out.Label, out.Counter, out.Gauge, out.Histogram = m.metric.Label, m.metric.Counter, m.metric.Gauge, m.metric.Histogram
	return nil
}
