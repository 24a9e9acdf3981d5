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
	return []string{"core.bus", "core.controller", "core.edge", "core.pipelines"}
}

// Check finds what is wrong with specs beside each other: dependencies that do
// not exist or go in a circle, fixed ports that two want, templates that are not
// there. All errors are joined.
func Check(specs []Located) error {
	specs = sorted(specs)
	var errs []error
	var ids []string
	for _, s := range specs {
		ids = append(ids, string(s.ID))
	}
	for _, s := range specs {
		for i, d := range s.Dependencies {
			if err := s.checkDependency(element("dependencies", i), d, ids); err != nil {
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
	return errors.Join(append(errs, clashes(specs)...)...)
}

func (s Located) checkDependency(at, on string, ids []string) error {
	if slices.Contains(ids, on) || slices.Contains(Platform(), on) {
		return nil
	}
	known := slices.Concat(ids, Platform())
	slices.Sort(known)
	if near := config.Suggest(on, known); near != "" {
		return s.Errorf(at, "", "unknown service %q: did you mean %q?", on, near)
	}
	return s.Errorf(at, alternatives(known), "unknown service %q", on)
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

// Supported reports, as an [*Error], why this build cannot run the service; a
// spec may say more than every build can do.
func Supported(s Located) error {
	if s.Dep == nil {
		return nil
	}
	able := []string{string(SourceGoBuild), string(SourceSystem)}
	if !slices.Contains(able, string(s.Dep.Source)) {
		return s.Errorf("dep.source", alternatives(able), "not supported yet: %q", s.Dep.Source)
	}
	return nil
}

func sorted(specs []Located) []Located {
	specs = slices.Clone(specs)
	slices.SortFunc(specs, func(a, b Located) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return specs
}
