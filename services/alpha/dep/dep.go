package dep

import (
	"fmt"

	"core.internal/shared/spec"

	"core.internal/services/alpha/config"
	"core.internal/services/alpha/process"
)

// Bus is the stage that alpha cannot do without.
const Bus = "core.bus"

// Parse reads alpha's spec and checks that it is alpha's and asks for what alpha
// needs.
func Parse(document []byte) (spec.Service, error) {
	s, err := spec.Parse("service.json", document)
	if err != nil {
		return s, err
	}
	switch {
	case string(s.ID) != string(process.Source):
		return s, fmt.Errorf("service.json: id %q: the program is %s", s.ID, process.Source)
	case !s.Needs(Bus):
		return s, fmt.Errorf("service.json: dependencies %q: alpha needs %s", s.DependsOn(), Bus)
	case s.Ports.Primary == nil:
		return s, fmt.Errorf("service.json: no primary port: alpha answers HTTP on it")
	}
	return s, nil
}

// Check reports what the spec promises and the settings lack.
func Check(s spec.Service, c config.Config) error {
	if s.Needs(Bus) && c.BusURL == "" {
		return fmt.Errorf("alpha depends on %s and no bus is named: set CORE_BUS_URL", Bus)
	}
	return c.Validate()
}
