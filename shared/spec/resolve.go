package spec

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
)

// Resolve returns a copy with every default set and every placeholder replaced.
// Ports have the numbers of vars, templates and sources are absolute paths. What cannot be
// resolved, or resolves to something that cannot be used, is an [*Error] for
// each such value, joined.
func (s Located) Resolve(v Vars) (Located, error) {
	return s.resolve(s.newScope(v))
}

// Redacted is [Located.Resolve] for people to read: secrets are not looked up
// and stay {secret.NAME}. So do ports that have no number yet, and variables that
// vars does not have.
func (s Located) Redacted(v Vars) (Located, error) {
	c := s.newScope(v)
	c.redacted = true
	return s.resolve(c)
}

func (s Located) resolve(c *scope) (Located, error) {
	s.Service = s.WithDefaults()
	var found findings
	text := func(parent reflect.Value, at string, m field, value string) string {
		if found.full() {
			return value // there is enough to say
		}
		c.made, c.secrets = false, m.secrets
		result, err := expand(value, c.value)
		if err != nil {
			found.add(s.Errorf(at, err.Want, "%s", err.Reason))
			return value
		}
		if c.made {
			return result
		}
		reason, want := "", ""
		if m.shape != "" {
			reason, want = shapes[m.shape].check(result), shapes[m.shape].want
		}
		if m.owner == "Probe" && m.name == "endpoint" {
			reason, want = HealthType(effective(parent, "type")).rejectEndpoint(result)
		}
		if reason != "" {
			found.add(s.Errorf(at, want, "%s", reason))
		}
		return result
	}
	visit(reflect.ValueOf(&s.Service).Elem(), "", func(parent reflect.Value, m field, v reflect.Value, at string) {
		if !m.placeholders {
			return
		}
		switch v.Kind() {
		case reflect.String:
			if v.Len() > 0 || s.has(at) {
				v.SetString(text(parent, at, m, v.String()))
			}
		case reflect.Slice:
			for i := range v.Len() {
				v.Index(i).SetString(text(parent, element(at, i), m, v.Index(i).String()))
			}
		case reflect.Map:
			for _, name := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
				key := reflect.ValueOf(name)
				v.SetMapIndex(key, reflect.ValueOf(text(parent, below(at, name), m, v.MapIndex(key).String())))
			}
		}
	})
	if err := found.err(s.File, nil); err != nil {
		return Located{}, err
	}
	s.fixPorts(c.vars.Ports)
	for i, e := range s.Process.Ensure {
		if e.Template != "" {
			s.Process.Ensure[i].Template = filepath.Join(s.Dir, e.Template)
		}
		if e.Source != "" && !filepath.IsAbs(e.Source) {
			s.Process.Ensure[i].Source = filepath.Join(s.Dir, e.Source)
		}
	}
	return s, nil
}

// fixPorts gives ports the numbers that they have on the node; where one is known its
// range says nothing more.
func (s *Located) fixPorts(numbers map[string]int) {
	if n := numbers[PrimaryPort]; n > 0 && s.Ports.Primary != nil {
		s.Ports.Primary.Port, s.Ports.Primary.Range = n, ""
	}
	for i := range s.Ports.Additional {
		if n := numbers[s.Ports.Additional[i].Name]; n > 0 {
			s.Ports.Additional[i].Port.Port, s.Ports.Additional[i].Range = n, ""
		}
	}
}

func (t HealthType) rejectEndpoint(text string) (reason, want string) {
	if t == HealthTCP || t == HealthGRPC {
		return rejectAddress(text), shapes["address"].want
	}
	return rejectURL(text), urlWant
}
