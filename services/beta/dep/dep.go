package dep

import (
	"fmt"

	"core.internal/shared/spec"

	"core.internal/services/beta/config"
	"core.internal/services/beta/process"
)

// needs are the stage and the service that beta cannot do without: without the
// latter there is nothing to tally.
var needs = [...]string{"core.bus", string(process.Alpha)}

// Parse reads beta's spec and checks that it is beta's and asks for what beta
// needs.
func Parse(document []byte) (spec.Service, error) {
	s, err := spec.Parse("service.json", document)
	if err != nil {
		return s, err
	}
	if string(s.ID) != string(process.Source) {
		return s, fmt.Errorf("service.json: id %q: the program is %s", s.ID, process.Source)
	}
	for _, need := range needs {
		if !s.Needs(need) {
			return s, fmt.Errorf("service.json: dependencies %q: beta needs %s", s.DependsOn(), need)
		}
	}
	if s.Ports.Primary == nil {
		return s, fmt.Errorf("service.json: no primary port: beta answers HTTP on it")
	}
	return s, nil
}

// Check reports what the spec promises and the settings lack.
func Check(s spec.Service, c config.Config) error {
	if s.Needs(needs[0]) && c.BusURL == "" {
		return fmt.Errorf("beta depends on %s and no bus is named: set CORE_BUS_URL", needs[0])
	}
	return c.Validate()
}
