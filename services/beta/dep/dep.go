package dep

import (
	"errors"

	"core.internal/shared/service"
	"core.internal/shared/spec"

	"core.internal/services/beta/config"
	"core.internal/services/beta/process"
)

// Parse reads beta's spec and checks that it is beta's and asks for what beta
// needs. Without alpha there is nothing to tally.
func Parse(document []byte) (spec.Service, error) {
	s, err := service.ParseSpec(document, process.Source, service.BusStage, string(process.Alpha))
	if err == nil && s.Ports.Primary == nil {
		err = errors.New("service.json: no primary port: beta answers HTTP on it")
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
