package service

import (
	"fmt"

	"core.internal/shared/events"
	"core.internal/shared/spec"
)

// BusStage is the stage that a service depends on which cannot do without the
// bus.
const BusStage = spec.BusStage

// ParseSpec reads a service's own spec, its service.json, and checks that it is
// the spec of id and depends on what the service needs: stages and services.
func ParseSpec(document []byte, id events.Source, needs ...string) (spec.Service, error) {
	s, err := spec.Parse("service.json", document)
	if err != nil {
		return s, err
	}
	if string(s.ID) != string(id) {
		return s, fmt.Errorf("service.json: id %q: the program is %s", s.ID, id)
	}
	for _, need := range needs {
		if !s.Needs(need) {
			return s, fmt.Errorf("service.json: dependencies %q: %s needs %s", s.DependsOn(), id, need)
		}
	}
	return s, nil
}

// Check reports what a spec promises and the settings lack.
func (s Settings) Check(own spec.Service) error {
	if own.Needs(BusStage) && s.BusURL == "" {
		return fmt.Errorf("%s depends on %s and no bus is named: set CORE_BUS_URL", own.ID, BusStage)
	}
	return nil
}
