package bus_test

import (
	"testing"

	"core.internal/shared/events"
	"core.internal/shared/events/logtest"
)

func TestLog(t *testing.T) {
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			logtest.Run(t, func(t *testing.T) events.Log {
				return start(t, store).connect(events.Busd).Events()
			})
		})
	}
}
