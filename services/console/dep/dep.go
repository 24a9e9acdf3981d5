package dep

import (
	"errors"

	"core.internal/shared/events"
	"core.internal/shared/service"
	"core.internal/shared/spec"

	"core.internal/services/console/config"
)

// Parse reads the console's spec and checks that it is the console's, asks for
// what the console needs and exposes it.
func Parse(document []byte) (spec.Service, error) {
	s, err := service.ParseSpec(document, events.Console, service.BusStage)
	if err == nil && (!s.Caddy.Expose || s.Ports.Primary == nil) {
		err = errors.New("service.json: nobody could reach the console: it needs a primary port and caddy.expose")
	}
	return s, err
}

// Check reports what the spec promises and the settings lack.
func Check(s spec.Service, c config.Config) error {
	if err := c.Settings.Check(s); err != nil {
		return err
	}
	return c.Validate()
}
