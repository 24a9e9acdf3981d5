package health_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/shared/process/health"
	"core.internal/shared/spec"
)

// Endpoints that hang, however many, keep no others from being probed.
func TestHangingDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		probes := map[string]int{}
		p := health.New(health.Options{
			Report: func(health.Target, health.Verdict) {},
			Probe: func(ctx context.Context, c health.Check) error {
				mu.Lock()
				probes[c.Endpoint]++
				mu.Unlock()
				if c.Endpoint == "hangs" {
					<-time.After(time.Hour)
				}
				return nil
			},
			Workers: 2,
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		for i := range 50 {
			p.Add(whole(fmt.Sprint("h", i), "i"), health.Check{Endpoint: "hangs"}, false)
		}
		p.Add(whole("works", "i"), health.Check{Endpoint: "works"}, true)
		<-time.After(60 * time.Second)
		mu.Lock()
		if probes["hangs"] != 50 || probes["works"] < 11 {
			t.Errorf("probes %v", probes)
		}
		mu.Unlock()
		cancel()
		<-ended
	})
}

func (r *recorder) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

// Purposes of one instance are told apart, and go together.
func TestPurposes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		r.err = func(id string, up time.Duration) error {
			if id == "ready" && up > 10*time.Second {
				return fmt.Errorf("busy")
			}
			return nil
		}
		var told []health.Purpose
		var took []time.Duration
		p := health.New(health.Options{
			Report: func(t health.Target, v health.Verdict) { told = append(told, t.Purpose); r.report(t, v) },
			Probe:  r.probe,
			Probed: func(t health.Target, d time.Duration, err error) { r.mu.Lock(); took = append(took, d); r.mu.Unlock() },
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		p.Add(health.Target{ID: "a", Instance: "i", Purpose: health.Liveness}, health.Check{Endpoint: "live"}, false)
		synctest.Wait()
		p.Add(health.Target{ID: "a", Instance: "i", Purpose: health.Readiness}, health.Check{Endpoint: "ready"}, false)
		<-time.After(61 * time.Second) // no probe is due then
		p.Remove("a", "i")
		r.mu.Lock()
		all := len(r.at["live"]) + len(r.at["ready"])
		r.mu.Unlock()
		<-time.After(time.Minute)
		cancel()
		<-ended
		if !slices.Equal(told, []health.Purpose{health.Liveness, health.Readiness, health.Readiness}) || !strings.HasSuffix(r.reports[2], "false busy") {
			t.Errorf("reports %v %q", told, r.reports)
		}
		if n := len(r.at["live"]) + len(r.at["ready"]); n != all || len(took) != n || all < 20 {
			t.Errorf("%d probes, %d of them before it was removed, %d timed", n, all, len(took))
		}
	})
}

// A log check passes as soon as it is told, and never again says otherwise.
func TestLogCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		p := prober(t, r, 0)
		c := health.Check{Type: spec.HealthLog, Pattern: "^ready", StartPeriod: time.Second, Threshold: 2}
		p.Add(whole("a", "i"), c, false)
		p.Add(whole("known", "i"), c, true)
		<-time.After(20 * time.Second)
		p.Told("a", "another")
		p.Told("nobody", "i")
		p.Told("a", "i")
		p.Told("a", "i")
		<-time.After(time.Hour)
		p.Told("a", "i")
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.reports) != 2 || !strings.HasSuffix(r.reports[0], `a/i false no line has matched "^ready" yet`) || r.reports[1] != "20s a/i true " || len(r.at) != 0 {
			t.Errorf("%q", r.reports)
		}
	})
}

// A bus check follows the heartbeats of the instance, and says nothing while the
// bus is away.
func TestBusCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		var mu sync.Mutex
		last, listening := time.Now(), time.Now()
		set := func(f func()) { mu.Lock(); defer mu.Unlock(); f() }
		p := health.New(health.Options{
			Report: r.report, Probe: r.probe,
			Beats: func(string) (time.Time, time.Time) { mu.Lock(); defer mu.Unlock(); return last, listening },
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		want := func(reports ...string) {
			t.Helper()
			r.mu.Lock()
			defer r.mu.Unlock()
			if !slices.Equal(r.reports, reports) {
				t.Errorf("after %v: %q, want %q", time.Since(r.began), r.reports, reports)
			}
		}
		<-time.After(5 * time.Second)
		c := health.Check{Type: spec.HealthBus, Interval: time.Second, Timeout: time.Second, Threshold: 1, StartPeriod: time.Minute}
		p.Add(whole("a", "i"), c, false)
		<-time.After(time.Second)
		want() // the heartbeat is of the instance before
		set(func() { last = time.Now() })
		<-time.After(500 * time.Millisecond)
		if len(r.said()) != 1 || !strings.HasSuffix(r.said()[0], "a/i true ") {
			t.Fatalf("%q", r.said())
		}
		first := r.said()[0]
		set(func() { listening = time.Time{} })
		<-time.After(time.Hour)
		want(first) // the bus is away
		set(func() { listening = time.Now() })
		<-time.After(1500 * time.Millisecond)
		want(first) // a heartbeat may yet come
		<-time.After(5 * time.Second)
		if len(r.said()) != 2 || !strings.Contains(r.said()[1], "a/i false no heartbeat on the bus for 1h0m") {
			t.Errorf("%q", r.said())
		}
		set(func() { last = time.Now() })
		<-time.After(time.Second)
		if len(r.said()) != 3 || !strings.HasSuffix(r.said()[2], "a/i true ") {
			t.Errorf("%q", r.said())
		}
	})
}

// An instance that sends no heartbeat is not waited for in silence.
func TestNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		began := time.Now()
		p := health.New(health.Options{
			Report: r.report,
			Beats:  func(string) (time.Time, time.Time) { return time.Time{}, began },
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		c := health.Check{Type: spec.HealthBus, Endpoint: "$KV.core_presence.local.a"}
		p.Add(whole("a", "i"), c, false)
		<-time.After(10 * time.Second)
		want := "a/i false no heartbeat on the bus yet: a program sends them by shared/service, or by publishing to $KV.core_presence.local.a (docs/specs.md, Heartbeats)"
		if said := r.said(); len(said) != 1 || !strings.HasSuffix(said[0], want) {
			t.Errorf("%q", said)
		}
		<-time.After(time.Hour)
		if said := r.said(); len(said) != 2 || !strings.HasSuffix(said[1], want) {
			t.Errorf("%q", said)
		}
	})
}

// What a probe runs does not outlive the instance that it is about.
func TestRemovedWhileItIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		p := health.New(health.Options{
			Report: func(health.Target, health.Verdict) { t.Error("a verdict about what is gone") },
			Probe: func(ctx context.Context, _ health.Check) error {
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		p.Add(whole("a", "i"), health.Check{Endpoint: "x"}, false)
		synctest.Wait()
		p.Remove("a", "i")
		<-ended
		cancel()
		<-done
	})
}
