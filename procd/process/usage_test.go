package process_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"core.internal/procd/process"
	"core.internal/shared/events"
	"core.internal/shared/process/runner"
)

// Samples are taken every five seconds, after a first one, however many ask, and the processor's share
// is that between two of the same instance.
func TestUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := make(chan runner.Usage, 3)
		for _, r := range []struct {
			instance string
			cpu      time.Duration
		}{
			{"i1", time.Second},
			{"i1", 11 * time.Second}, // two cores, busy for five seconds
			{"i2", time.Second},      // another one: nothing to compare with
		} {
			readings <- runner.Usage{ID: "alpha", Instance: r.instance, Processes: 2, CPU: r.cpu, Resident: 1 << 20, OpenFDs: 7}
		}
		u := process.NewUsage(func() []runner.Usage { return []runner.Usage{<-readings} },
			func(string) time.Duration { return 1500 * time.Microsecond }, time.Now)
		if n := len(u.Last().Services); n != 0 {
			t.Errorf("usage of %d before the first sample", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		samples, ended := make(chan events.Usage), make(chan error, 1)
		go func() { ended <- u.Run(ctx, func(s events.Usage) { samples <- s }) }()
		began := time.Now()
		first := <-samples
		want := events.ServiceUsage{Instance: "i1", Processes: 2, CPUSeconds: 1, ResidentBytes: 1 << 20, OpenFDs: 7, HealthMS: 1.5}
		for range 3 {
			if got := u.Last().Services["alpha"]; got != want || first.Services["alpha"] != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		percent := []float64{(<-samples).Services["alpha"].CPUPercent, (<-samples).Services["alpha"].CPUPercent}
		if !slices.Equal(percent, []float64{200, 0}) || time.Since(began) != 11*time.Second {
			t.Errorf("percentages %v after %s", percent, time.Since(began))
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Error(err)
		}
	})
}
