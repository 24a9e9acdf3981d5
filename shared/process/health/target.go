package health

import (
	"errors"
	"fmt"
	"time"

	"core.internal/shared/spec"
)

// Purpose is what follows from a check.
type Purpose string

// Purposes.
const (
	Whole     Purpose = "health" // one check for both
	Liveness  Purpose = "liveness"
	Readiness Purpose = "readiness"
)

// purposes lists them in the order in which they are shown.
var purposes = [...]Purpose{Whole, Liveness, Readiness}

// Target is one check of one instance.
type Target struct {
	ID, Instance string
	Purpose      Purpose
}

// place is where a target stands: another instance takes it.
type place struct {
	id      string
	purpose Purpose
}

// Beats tells when a service was last heard of on the bus, and since when the bus
// has been listened to without a break; zero times for never and for not now.
type Beats func(id string) (last, listening time.Time)

// errUnsure is the result of a probe that says nothing about the service.
var errUnsure = errors.New("the bus is away")

// heard is the probe of a check of type bus.
func (i *item) heard(beats Beats, now time.Time) error {
	if beats == nil {
		return errors.New("nobody here listens to heartbeats")
	}
	window := i.check.Interval + i.check.Timeout
	recent := func(t time.Time) bool { return now.Sub(t) <= window }
	switch last, listening := beats(i.target.ID); {
	case last.After(i.began) && recent(last):
		return nil
	case listening.IsZero(), recent(listening), i.tracker.known && recent(i.began):
		return errUnsure
	case last.After(i.began):
		return fmt.Errorf("no heartbeat on the bus for %s", now.Sub(last).Round(100*time.Millisecond))
	}
	return fmt.Errorf("no heartbeat on the bus yet: a program sends them by shared/service, or by publishing to %s (docs/specs.md, Heartbeats)", i.check.Endpoint)
}

// written is the probe of a check of type log.
func (i *item) written() error {
	if i.told {
		return nil
	}
	return fmt.Errorf("no line has matched %q yet", i.check.Pattern)
}

// settled reports whether further probes can say nothing new.
func (i *item) settled() bool {
	return i.check.Type == spec.HealthLog && i.tracker.Healthy()
}
