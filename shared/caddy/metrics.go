package caddy

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/caddy/site"
	"core.internal/shared/events"
	"core.internal/shared/state"
)

// metrics are the edge's own figures, and Caddy's.
type metrics struct {
	reloads *prometheus.CounterVec
	took    prometheus.Gauge
	sites   *prometheus.GaugeVec

	mu      sync.Mutex
	current prometheus.Gatherer   // of the live configuration; guarded by mu
	earlier []prometheus.Gatherer // of those that may still answer requests; guarded by mu
	past    tally                 // what those before them counted; guarded by mu
}

func newMetrics() *metrics {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "core_edge_reloads_total", Help: "Configurations given to Caddy, by result.",
		}, []string{"result"}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "core_edge_last_reload_seconds", Help: "How long Caddy took to take the last configuration.",
		}),
		sites: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "core_edge_sites", Help: "Services that the edge knows, by what it does with their requests.",
		}, []string{"state"}),
		past: tally{},
	}
	m.count(nil, nil)
	for _, result := range []string{"ok", "rejected"} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

func (m *metrics) reload(took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "rejected"
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
