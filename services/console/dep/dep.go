package dep

import (
	"fmt"

	"core.internal/shared/events"
	"core.internal/shared/spec"

	"core.internal/services/console/config"
)

// Bus is the stage that the console cannot do without.
const Bus = "core.bus"

// Parse reads the console's spec and checks that it is the console's, asks for
// what the console needs and exposes it.
func Parse(document []byte) (spec.Service, error) {
	s, err := spec.Parse("service.json", document)
	if err != nil {
		return s, err
	}
	switch {
	case string(s.ID) != string(events.Console):
		return s, fmt.Errorf("service.json: id %q: the program is %s", s.ID, events.Console)
	case !s.Needs(Bus):
		return s, fmt.Errorf("service.json: dependencies %q: the console needs %s", s.DependsOn(), Bus)
	case !s.Caddy.Expose || s.Ports.Primary == nil:
		return s, fmt.Errorf("service.json: nobody could reach the console: it needs a primary port and caddy.expose")
	}
	return s, nil
}

// Check reports what the spec promises and the settings lack.
func Check(s spec.Service, c config.Config) error {
	if s.Needs(Bus) && c.BusURL == "" {
		return fmt.Errorf("the console depends on %s and no bus is named: set CORE_BUS_URL", Bus)
	}
	return c.Validate()
}
