package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"core.internal/shared/config"
)

// Platform lists the parts of the platform that a service may depend on.
func Platform() []string {
	return []string{BusStage, ControllerStage, EdgeStage, PipelinesStage}
}

func platformPart(name string) bool { return slices.Contains(Platform(), name) }

// Check finds what is wrong with specs beside each other: dependencies that do
// not exist, cannot hold or go in a circle, fixed ports that two want, ids that
// the replicas of another have, templates that are not there. Others are services
// that are there to be depended on; nothing of them is checked. All errors are
// joined.
func Check(specs []Located, others ...Located) error {
	specs = sorted(specs)
	var errs []error
	var ids []string
	known := slices.Concat(specs, others) // where an id is of both, the checked one stands first
	for _, s := range known {
		ids = append(ids, string(s.ID))
	}
	for _, s := range specs {
		for i, d := range s.Dependencies {
			if err := s.checkDependency(element("dependencies", i), d, known, ids); err != nil {
				errs = append(errs, err)
			}
		}
		for i, e := range s.Process.Ensure {
			if e.Type != EnsureTemplate {
				continue
			}
			file := filepath.Join(s.Dir, e.Template)
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
				errs = append(errs, s.Errorf(element("process.ensure", i)+".template", "a file below "+s.Dir, "the template %s is not there", file))
			}
		}
	}
	if cycle := findCycle(specs); cycle != nil {
		errs = append(errs, cycle)
	}
	errs = append(errs, replicaClashes(specs)...)
	errs = append(errs, rivals(specs)...)
	return errors.Join(append(errs, clashes(specs)...)...)
}

func (s Located) checkDependency(at string, d Dependency, specs []Located, ids []string) error {
	on := d.Service
	if i := slices.Index(ids, on); i >= 0 {
		return s.checkCondition(at, d, specs[i])
	}
	if platformPart(on) {
		return nil
	}
	known := slices.Concat(ids, Platform())
	slices.Sort(known)
	known = slices.Compact(known)
	if near := config.Suggest(on, known); near != "" {
		return s.Errorf(at, "", "unknown service %q: did you mean %q?", on, near)
	}
	return s.Errorf(at, alternatives(known), "unknown service %q", on)
}

// checkCondition finds conditions that never hold, or do so by chance.
func (s Located) checkCondition(at string, d Dependency, on Located) error {
	ends := on.Process.Type == TypeOneshot || on.Process.Type == TypeCron
	ready := d.Condition == "" || d.Condition == Ready
	switch check := on.Health.ReadinessProbe().Type; {
	case d.Condition == Completed && on.Process.Type != TypeOneshot:
		return s.Errorf(at+".condition", alternatives([]string{string(Started), string(Ready)}), "%s is no oneshot: it is never completed", d.Service)
	case ready && ends && (check == "" || check == HealthNone):
		return s.Errorf(at, "the condition \"completed\", or \"started\"", "%s is of type %q and has no health check: it is never ready", d.Service, on.Process.Type)
	}
	return nil
}

// clashes finds fixed ports that two services want which may run together.
// Services whose profiles have nothing in common are alternatives.
func clashes(specs []Located) []error {
	type user struct {
		Located
		field string
	}
	var errs []error
	users := map[string][]user{}
	for _, s := range specs {
		for i, p := range s.AllPorts() {
			if p.Port.Port == 0 {
				continue
			}
			field := "ports.primary.port"
			if p.Name != PrimaryPort {
				if s.Ports.Primary != nil {
					i--
				}
				field = element("ports.additional", i) + ".port"
			}
			for _, other := range users[p.key()] {
				if together(s.Service, other.Service) {
					errs = append(errs, s.Errorf(field, "another port, or 0 for any free one",
						"%s is also %s of %s (%s)", p.key(), other.field, other.ID, other.position(other.field)))
				}
			}
			users[p.key()] = append(users[p.key()], user{s, field})
		}
	}
	return errs
}

func together(a, b Service) bool {
	return len(a.Profiles) == 0 || len(b.Profiles) == 0 || a.InProfile(b.Profiles)
}

// position is file:line:column of a field.
func (s Located) position(field string) string {
	e := s.Errorf(field, "", "")
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

func sorted(specs []Located) []Located {
	specs = slices.Clone(specs)
	slices.SortFunc(specs, func(a, b Located) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return specs
}
