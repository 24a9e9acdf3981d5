package process_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"core.internal/procd/process"
	"core.internal/shared/events"
	"core.internal/shared/process/health"
	"core.internal/shared/state"
)

func TestProbes(t *testing.T) {
	s := state.New("local")
	s.Services = map[events.Entity]state.Service{"alpha": {ID: "alpha"}, "beta": {ID: "beta"}}
	p := process.NewProbes(func() state.State { return s })
	live := health.Target{ID: "alpha", Instance: "i", Purpose: health.Liveness}
	p.Probed(live, 3*time.Millisecond, nil)
	p.Probed(live, 70*time.Millisecond, errors.New("no"))
	p.Probed(health.Target{ID: "beta", Instance: "i", Purpose: health.Whole}, time.Second, nil)
	const want = `
# HELP core_service_probe_failures_total Health checks that failed, those before the service was up too.
# TYPE core_service_probe_failures_total counter
core_service_probe_failures_total{check="liveness",service="alpha"} 1
# HELP core_service_probe_last_seconds How long the last health check took.
# TYPE core_service_probe_last_seconds gauge
core_service_probe_last_seconds{check="liveness",service="alpha"} 0.07
`
	delete(s.Services, "beta")
	names := []string{"core_service_probe_failures_total", "core_service_probe_last_seconds"}
	if err := testutil.CollectAndCompare(p, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(p, "core_service_probe_seconds"); n != 1 {
		t.Errorf("%d histograms", n)
	}
	if problems, err := testutil.CollectAndLint(p); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestMetrics(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := state.New("local")
	s.Services = map[events.Entity]state.Service{
		"gamma": {ID: "gamma", State: state.ServiceRunning, Instance: "i3", Since: now},
		"beta":  {ID: "beta", State: state.ServiceBackoff, Restarts: 4},
		"alpha": {
			ID: "alpha", State: state.ServiceRunning, Instance: "i2", Health: state.HealthHealthy, Since: now.Add(-90 * time.Second), Restarts: 1,
			Desired: events.ServiceDesired{Enabled: true},
		},
	}
	u := events.Usage{Services: map[events.Entity]events.ServiceUsage{
		"alpha": {Instance: "i2", Processes: 2, CPUSeconds: 1.5, ResidentBytes: 4096, OpenFDs: 9},
		"beta":  {Instance: "gone", Processes: 1},
		"gamma": {Instance: "i3", Processes: 1, OpenFDs: -1},
	}}
	c := process.Metrics(func() state.State { return s }, func() events.Usage { return u }, func() time.Time { return now })
	want := `
# HELP core_service_cpu_seconds_total User and system time of the processes of the running instance and of those they waited for.
# TYPE core_service_cpu_seconds_total counter
core_service_cpu_seconds_total{service="alpha"} 1.5
core_service_cpu_seconds_total{service="gamma"} 0
# HELP core_service_open_fds Open file descriptors of the processes of the running instance, where they may be counted.
# TYPE core_service_open_fds gauge
core_service_open_fds{service="alpha"} 9
# HELP core_service_processes Processes of the running instance.
# TYPE core_service_processes gauge
core_service_processes{service="alpha"} 2
core_service_processes{service="gamma"} 1
# HELP core_service_resident_bytes Resident memory of the processes of the running instance; what they share counts for each.
# TYPE core_service_resident_bytes gauge
core_service_resident_bytes{service="alpha"} 4096
core_service_resident_bytes{service="gamma"} 0
# HELP core_service_enabled 1 if the service is wanted at every boot.
# TYPE core_service_enabled gauge
core_service_enabled{service="alpha"} 1
core_service_enabled{service="beta"} 0
core_service_enabled{service="gamma"} 0
# HELP core_service_healthy 1 while the service runs and passes its health check.
# TYPE core_service_healthy gauge
core_service_healthy{service="alpha"} 1
core_service_healthy{service="beta"} 0
core_service_healthy{service="gamma"} 0
# HELP core_service_restarts_total Restarts by the restart policy since the node came up.
# TYPE core_service_restarts_total counter
core_service_restarts_total{service="alpha"} 1
core_service_restarts_total{service="beta"} 4
core_service_restarts_total{service="gamma"} 0
# HELP core_service_state 1 for the state that the service is in.
# TYPE core_service_state gauge
core_service_state{service="alpha",state="running"} 1
core_service_state{service="beta",state="backoff"} 1
core_service_state{service="gamma",state="running"} 1
# HELP core_service_uptime_seconds Seconds since the running instance was started or adopted; 0 while none runs.
# TYPE core_service_uptime_seconds gauge
core_service_uptime_seconds{service="alpha"} 90
core_service_uptime_seconds{service="beta"} 0
core_service_uptime_seconds{service="gamma"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
