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

// Samples are taken every five seconds however many ask, and the processor's share
// is that between two of the same instance.
func TestUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, cpu, instance := 0, time.Second, "i1"
		u := process.NewUsage(func() []runner.Usage {
			reads++
			return []runner.Usage{{ID: "alpha", Instance: instance, Processes: 2, CPU: cpu, Resident: 1 << 20, OpenFDs: 7}}
		}, func(string) time.Duration { return 1500 * time.Microsecond }, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var published []float64
		ended := make(chan error, 1)
		go func() {
			ended <- u.Run(ctx, func(s events.Usage) {
				one, ok := s.Of("alpha", instance)
				if !ok {
					t.Errorf("no usage of the instance: %+v", s)
				}
				published = append(published, one.CPUPercent)
			})
		}()
		synctest.Wait()
		want := events.ServiceUsage{Instance: "i1", Processes: 2, CPUSeconds: 1, ResidentBytes: 1 << 20, OpenFDs: 7, HealthMS: 1.5}
		for range 3 {
			if got := u.Last().Services["alpha"]; got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		cpu += 10 * time.Second // two cores, busy for five seconds
		step(5 * time.Second)
		cpu, instance = time.Second, "i2" // another one: nothing to compare with
		step(5 * time.Second)
		if reads != 3 {
			t.Errorf("read %d times, want 3", reads)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Error(err)
		}
		if !slices.Equal(published, []float64{0, 200, 0}) {
			t.Errorf("percentages %v", published)
		}
	})
}

// step lets so much time of the test's own pass.
func step(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
