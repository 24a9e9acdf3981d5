package spec

import (
	"encoding/json"
	"slices"
)

// Dependency is a service, or a stage of the platform, that must come first. The text "a" is short for {"service": "a", "condition": "ready"}.
type Dependency struct {
	// Id of a service, or the name of a stage.
	Service string `json:"service" spec:"shape=dependency"`
	// What must be true of it: its process was started, it is ready, or, for a oneshot, it is completed.
	Condition Condition `json:"condition,omitempty" spec:"enum=started|ready|completed;default=ready"`
}

// Condition is what must be true of a dependency.
type Condition string

// Conditions; the zero value means ready.
const (
	Started   Condition = "started"
	Ready     Condition = "ready"
	Completed Condition = "completed"
)

// String is the id, with the condition where it is not ready.
func (d Dependency) String() string {
	if d.Condition == "" || d.Condition == Ready {
		return d.Service
	}
	return d.Service + " (" + string(d.Condition) + ")"
}

// DependsOn lists the ids that the service depends on, on whichever condition.
func (s Service) DependsOn() []string {
	var ids []string
	for _, d := range s.Dependencies {
		ids = append(ids, d.Service)
	}
	return ids
}

// What a service may depend on beside services: stages of the boot. On [BusStage]
// depends who talks to the bus.
const (
	BusStage        = "core.bus"
	EdgeStage       = "core.edge"
	ControllerStage = "core.controller"
	PipelinesStage  = "core.pipelines"
)

// UsesBus reports whether the service talks to the bus: it depends on [BusStage],
// or one of its checks is of type bus. Who does not is told no address and has no
// credential.
func (s Service) UsesBus() bool {
	return s.Needs(BusStage) || slices.ContainsFunc(s.Health.probes(), func(p probe) bool { return p.Type == HealthBus })
}

// Needs reports whether the service depends on id.
func (s Service) Needs(id string) bool { return slices.Contains(s.DependsOn(), id) }

// MarshalJSON implements [json.Marshaler].
func (d Dependency) MarshalJSON() ([]byte, error) {
	if d.Condition == "" || d.Condition == Ready {
		return json.Marshal(d.Service)
	}
	type object Dependency
	return json.Marshal(object(d))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Dependency) UnmarshalJSON(b []byte) error {
	*d = Dependency{}
	type object Dependency
	return textOr(b, &d.Service, (*object)(d))
}

// MarshalJSON implements [json.Marshaler].
func (r Restart) MarshalJSON() ([]byte, error) {
	if (r == Restart{Policy: r.Policy}) {
		return json.Marshal(r.Policy)
	}
	type object Restart
	return json.Marshal(object(r))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Restart) UnmarshalJSON(b []byte) error {
	*r = Restart{}
	type object Restart
	return textOr(b, &r.Policy, (*object)(r))
}

// textOr decodes what is written as a text that is short for something, or as that.
func textOr(b []byte, text, whole any) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, text)
	}
	return json.Unmarshal(b, whole)
}
