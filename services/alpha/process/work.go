package process

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"core.internal/shared/events"
	"core.internal/shared/service"
)

// Names on the bus.
const (
	// Source is alpha's name.
	Source events.Source = "alpha"
	// Entity is what alpha's facts are about.
	Entity events.Entity = "greetings"
	// FactGreeted is the type of [Greeted].
	FactGreeted events.Type = "alpha.greeted"
)

// window is how many facts may wait for the bus before the next greeting does.
const window = 512

// Work is what alpha does while it is connected: it loads the count, says that it
// is ready and stores greetings until ctx ends.
func Work(c *Counter) func(context.Context, *service.Service) error {
	return func(ctx context.Context, s *service.Service) error {
		bucket, err := s.Bus.Bucket(ctx, events.ServiceBucket(events.Entity(s.ID)))
		if err != nil {
			return err
		}
		back := s.Bus.NC.StatusChanged(nats.CONNECTED)
		defer s.Bus.NC.RemoveStatusListener(back)
		if err := c.Load(ctx, bucket, stating(ctx, s)); err != nil {
			return err
		}
		if err := s.Ready(ctx); err != nil {
			return err
		}
		return c.Run(ctx, back)
	}
}

// stating returns the function that puts greetings on the bus as facts. It waits
// where the bus falls behind.
func stating(ctx context.Context, s *service.Service) func(Greeted) {
	stated := 0
	return func(g Greeted) {
		data, err := json.Marshal(g)
		if err != nil {
			s.Log.Error("a greeting cannot be stated", "error", err)
			return
		}
		s.Facts.State(Entity, events.Domain{Type: FactGreeted, Version: 1, Data: data}, "")
		if stated++; stated%window == 0 {
			// Cut short only by the end of the work.
			_ = s.Facts.Flush(ctx)
		}
	}
}

// Metrics registers what alpha counts.
func Metrics(r *prometheus.Registry, c *Counter) error {
	greetings := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "alpha_greetings", Help: "Greetings counted since the series began.",
	}, func() float64 { return float64(c.Count().Total) })
	names := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "alpha_names", Help: "Different names greeted since the series began.",
	}, func() float64 { return float64(len(c.Count().Names)) })
	for _, m := range []prometheus.Collector{greetings, names} {
		if err := r.Register(m); err != nil {
			return fmt.Errorf("register alpha's metrics: %w", err)
		}
	}
	return nil
}
