package ui

import (
	"testing"

	"core.internal/shared/events"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "0B", 0: "0B", 1023: "1023B", 1024: "1.0kB", 150 << 10: "150kB", 43_200_000: "41.2MB", 3 << 29: "1.50GB", 5 << 50: "5120TB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// A page shows usage of the instance that runs, and only of that.
func TestPageUsage(t *testing.T) {
	s := everything(t)
	u := events.Usage{Services: map[events.Entity]events.ServiceUsage{
		"alpha": {Instance: "i1", Processes: 1, CPUPercent: 12.54, ResidentBytes: 43_200_000, OpenFDs: 9, HealthMS: 1.5},
		"beta":  {Instance: "i2", Processes: 1},
	}}
	for _, v := range Build(s, Options{Now: began.Add(s.Services["alpha"].Since.Sub(began)), Usage: u}).Services {
		want := Usage{CPU: "12.5%", Memory: "41.2MB", OpenFDs: "9", Uptime: "0s", Check: "1.5ms"}
		switch {
		case v.ID == "alpha" && (v.Usage == nil || *v.Usage != want):
			t.Errorf("alpha: %+v, want %+v", v.Usage, want)
		case v.ID != "alpha" && v.Usage != nil:
			t.Errorf("%s does not run, but uses %+v", v.ID, *v.Usage)
		}
	}
	u.Services["alpha"] = events.ServiceUsage{Instance: "i1", OpenFDs: -1}
	if got := Build(s, Options{Usage: u}).Services[0].Usage; got == nil || got.OpenFDs != "" || got.Check != "" {
		t.Errorf("unknown: %+v", got)
	}
}
