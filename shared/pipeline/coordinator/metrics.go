package coordinator

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/events"
)

// metrics are a coordinator's figures. All are there whether or not anybody
// reads them.
type metrics struct {
	active prometheus.Gauge
	runs   *prometheus.CounterVec
	steps  *prometheus.CounterVec
}

func (m *metrics) register(r prometheus.Registerer) error {
	m.active = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "core_pipeline_runs_active", Help: "Runs that have not ended.",
	})
	labels := []string{"pipeline", "state"}
	m.runs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "core_pipeline_runs_total", Help: "Runs that have ended, by how.",
	}, labels)
	m.steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "core_pipeline_steps_total", Help: "Steps that have ended, by how.",
	}, labels)
	if r == nil {
		return nil
	}
	return errors.Join(r.Register(m.active), r.Register(m.runs), r.Register(m.steps))
}

func (m *metrics) run(pipeline string, s events.StepState) {
	m.runs.WithLabelValues(pipeline, string(s)).Inc()
}

func (m *metrics) step(pipeline string, s events.StepState) {
	m.steps.WithLabelValues(pipeline, string(s)).Inc()
}
