package caddy

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Caddy counts anew with each configuration. What is collected here goes on
// across reloads: the sum over all configurations.

// inFlight is the gauge that older configurations share in.
const inFlight = "caddy_http_requests_in_flight"

// mostEarlier bounds how many configurations are asked, at a millisecond each.
const mostEarlier = 16

// watch takes Caddy's figures from now on from a configuration that is live.
func (m *metrics) watch(ctx caddy.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		m.earlier = append(m.earlier, m.current)
	}
	m.current = ctx.GetMetricsRegistry()
	if n := len(m.earlier); n > mostEarlier {
		m.past.add(gather(m.earlier[0]), false)
		m.earlier = slices.Delete(m.earlier, 0, 1)
	}
}

// Collector returns the figures of the edge and of Caddy.
func (s *Server) Collector() prometheus.Collector { return s.m }

// Describe implements [prometheus.Collector]. It describes nothing, since Caddy's
// figures come and go.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.reloads.Collect(ch)
	m.took.Collect(ch)
	m.sites.Collect(ch)
	m.mu.Lock()
	defer m.mu.Unlock()
	var still []prometheus.Gatherer
	total := tally{}
	for _, g := range m.earlier {
		families := gather(g)
		if busy(families) {
			still = append(still, g)
			total.add(families, true)
		} else {
			m.past.add(families, false)
		}
	}
	m.earlier = still
	total.add(slices.Collect(maps.Values(m.past)), false)
	if m.current != nil {
		families := gather(m.current)
		total.add(families, true)
		for _, f := range families {
			if f.GetType() == dto.MetricType_GAUGE && f.GetName() != inFlight {
				total[f.GetName()] = f
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(total)) {
		for _, one := range total[name].Metric {
			ch <- measured{total[name], one}
		}
	}
}

// gather returns Caddy's own families; those of the process are the daemon's.
func gather(g prometheus.Gatherer) []*dto.MetricFamily {
	families, _ := g.Gather() // what could be gathered is returned beside the error
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
		return !strings.HasPrefix(f.GetName(), "caddy_http_") && !strings.HasPrefix(f.GetName(), "caddy_reverse_proxy_")
	})
}

func busy(families []*dto.MetricFamily) bool {
	for _, f := range families {
		for _, one := range f.Metric {
			if f.GetName() == inFlight && one.GetGauge().GetValue() > 0 {
				return true
			}
		}
	}
	return false
}

// tally sums families by name.
type tally map[string]*dto.MetricFamily

// add adds counters and histograms, and the requests in flight if wanted.
func (t tally) add(families []*dto.MetricFamily, flying bool) {
	for _, f := range families {
		kind := f.GetType()
		summed := kind == dto.MetricType_COUNTER || kind == dto.MetricType_HISTOGRAM || flying && f.GetName() == inFlight
		if !summed {
			continue
		}
		sum, ok := t[f.GetName()]
		if !ok {
			sum = &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type}
			t[f.GetName()] = sum
		}
		for _, one := range f.Metric {
			plus(find(sum, one), one)
		}
	}
}

// find returns the metric with the labels of another, new if need be.
func find(f *dto.MetricFamily, like *dto.Metric) *dto.Metric {
	for _, one := range f.Metric {
		same := slices.EqualFunc(one.Label, like.Label, func(a, b *dto.LabelPair) bool {
			return a.GetName() == b.GetName() && a.GetValue() == b.GetValue()
		})
		if same {
			return one
		}
	}
	one := &dto.Metric{Label: like.Label}
	f.Metric = append(f.Metric, one)
	return one
}

func plus(sum, one *dto.Metric) {
	switch {
	case one.Counter != nil:
		sum.Counter = &dto.Counter{Value: add(sum.GetCounter().GetValue(), one.Counter.GetValue())}
	case one.Gauge != nil:
		sum.Gauge = &dto.Gauge{Value: add(sum.GetGauge().GetValue(), one.Gauge.GetValue())}
	case one.Histogram != nil:
		was := sum.GetHistogram()
		h := &dto.Histogram{
			SampleCount: add(was.GetSampleCount(), one.Histogram.GetSampleCount()),
			SampleSum:   add(was.GetSampleSum(), one.Histogram.GetSampleSum()),
		}
		for i, b := range one.Histogram.Bucket {
			var before uint64
			if i < len(was.GetBucket()) {
				before = was.Bucket[i].GetCumulativeCount()
			}
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: b.UpperBound, CumulativeCount: add(before, b.GetCumulativeCount())})
		}
		sum.Histogram = h
	}
}

func add[N uint64 | float64](a, b N) *N {
	sum := a + b
	return &sum
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
