package dep

import (
	"errors"

	"core.internal/shared/service"
	"core.internal/shared/spec"

	"core.internal/services/alpha/config"
	"core.internal/services/alpha/process"
)

// Parse reads alpha's spec and checks that it is alpha's and asks for what alpha
// needs.
func Parse(document []byte) (spec.Service, error) {
	s, err := service.ParseSpec(document, process.Source, service.BusStage)
	if err == nil && s.Ports.Primary == nil {
		err = errors.New("service.json: no primary port: alpha answers HTTP on it")
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
