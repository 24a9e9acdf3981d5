package web

import (
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/testutil/testbus"
)

// The table shows what the running instance of a service uses, as it is sampled.
func TestUsageIsShown(t *testing.T) {
	c := open(t)
	c.login()
	c.state("alpha", events.ServiceRegistered{Name: "Alpha", Digest: "d"}, events.ServiceStarting{Instance: "i1"},
		events.ServiceStarted{Instance: "i1", PID: 4711})
	c.shows(`<td class="wide num right">4711</td>`)
	procd := c.bus.Connect(events.Procd)
	for _, cpu := range []float64{12.54, 50} {
		u := events.Usage{Time: time.Now().UTC(), Services: map[events.Entity]events.ServiceUsage{
			"alpha": {Instance: "i1", CPUPercent: cpu, ResidentBytes: 43_200_000},
		}}
		if err := procd.PublishUsage(testbus.Node, events.Procd, u); err != nil {
			t.Fatal(err)
		}
		c.shows(`<td class="wide num right">` + map[float64]string{12.54: "12.5%", 50: "50.0%"}[cpu] + `</td>`)
	}
	c.shows(`<td class="wide num right">41.2MB</td>`)
}
