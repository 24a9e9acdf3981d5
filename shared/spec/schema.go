package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"core.internal/shared/events"
)

// SchemaID identifies the JSON Schema of specs.
const SchemaID = "https://core.internal/schema/service.json"

// durationPattern is what [ParseDuration] reads, but for its bounds.
const durationPattern = `^([0-9]+d|([0-9]+d)?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+))$`

// Schema returns the JSON Schema (draft 2020-12) of a spec. What Parse accepts
// the schema accepts; Parse demands more where values depend on each other.
func Schema() ([]byte, error) {
	defs := map[string]any{}
	root := objectSchema(reflect.TypeFor[Service](), defs)
	document := append(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", SchemaID},
		{"title", "Service"},
	}, root...)
	var list object
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		list = append(list, member{name, defs[name]})
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(append(document, member{"$defs", list})); err != nil {
		return nil, fmt.Errorf("encode the schema of specs: %w", err)
	}
	return out.Bytes(), nil
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := encoder.Encode(m.name); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := encoder.Encode(m.value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func objectSchema(t reflect.Type, defs map[string]any) object {
	var properties object
	required := []string{}
	for _, m := range members(t) {
		properties = append(properties, member{m.name, append(object{{"description", m.description()}}, memberSchema(m, defs)...)})
		if m.required && m.unless == "" {
			required = append(required, m.name)
		}
	}
	s := object{
		{"description", fieldDocs()[t.Name()]}, {"type", "object"}, {"properties", properties},
		{"required", required}, {"additionalProperties", false},
	}
	if conditions := conditionSchemas(t); len(conditions) > 0 {
		s = append(s, member{"allOf", conditions})
	}
	return s
}

// description is the member's documentation with what no other keyword says.
// That a duration or a size must be more than 0 is one of these things.
func (f field) description() string {
	text := f.doc()
	if f.placeholders {
		text += " Placeholders are replaced."
	}
	if f.positive {
		text += " More than 0."
	}
	return text
}

func memberSchema(m field, defs map[string]any) object {
	t := m.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSchema(t, defs)
	case reflect.Map:
		return object{
			{"type", "object"},
			{"propertyNames", object{{"pattern", shapes[m.keys].pattern}}},
			{"additionalProperties", object{{"type", "string"}}},
		}
	case reflect.Slice:
		s := object{{"type", "array"}, {"items", elementSchema(t.Elem(), m.rule, defs)}}
		if m.least > 0 {
			s = append(s, member{"minItems", m.least})
		}
		if m.most > 0 {
			s = append(s, member{"maxItems", m.most})
		}
		if m.unique {
			s = append(s, member{"uniqueItems", true})
		}
		if m.single {
			return object{{"anyOf", []object{elementSchema(t.Elem(), m.rule, defs), s}}}
		}
		return s
	}
	s := scalarSchema(t, m.rule, !m.required && !m.must.some())
	if m.def != "" {
		var value any = m.def
		if t.Kind() == reflect.Int || t.Kind() == reflect.Float64 {
			value = number(m.def)
		}
		s = append(s, member{"default", value})
	}
	return s
}

func elementSchema(t reflect.Type, r rule, defs map[string]any) object {
	if t.Kind() == reflect.Struct {
		return structSchema(t, defs)
	}
	return scalarSchema(t, r, false)
}

// structSchema refers to an object's schema, beside the text that is short for
// it where there is one.
func structSchema(t reflect.Type, defs map[string]any) object {
	if m, ok := shortMember(t); ok {
		return object{{"oneOf", []object{scalarSchema(m.typ, m.rule, false), reference(t, defs)}}}
	}
	return reference(t, defs)
}

func reference(t reflect.Type, defs map[string]any) object {
	if _, ok := defs[t.Name()]; !ok {
		defs[t.Name()] = nil // so that a type may refer to itself
		defs[t.Name()] = objectSchema(t, defs)
	}
	return object{{"$ref", "#/$defs/" + t.Name()}}
}

func scalarSchema(t reflect.Type, r rule, mayBeEmpty bool) object {
	if s, ok := scalarOf(t); ok {
		if len(s.schema) == 1 {
			return s.schema[0]
		}
		return object{{"oneOf", s.schema}}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return object{{"type", "integer"}, {"minimum", *r.min}, {"maximum", *r.max}}
	case reflect.Float64:
		return object{{"type", "number"}, {"minimum", *r.min}, {"maximum", *r.max}}
	}
	s := object{{"type", "string"}}
	if len(r.enum) > 0 {
		s = append(s, member{"enum", r.enum})
	}
	switch pattern := shapes[r.shape].pattern; {
	case r.placeholders && r.shape != "" && !mayBeEmpty:
		s = append(s, member{"minLength", 1})
	case pattern != "" && !r.placeholders:
		s = append(s, member{"pattern", pattern})
	}
	switch r.shape {
	case "id":
		s = append(s, member{"not", object{{"enum", reserved()}}})
	case "port":
		s = append(s, member{"not", object{{"enum", []string{PrimaryPort}}}})
	}
	return s
}

// reserved lists the ids that no service may have.
func reserved() []string {
	names := platformSources()
	for _, b := range events.Catalog() {
		names = append(names, b.EventType().Aggregate())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// conditionSchemas say which members go with which value of a sibling.
func conditionSchemas(t reflect.Type) []object {
	var list []object
	for _, m := range members(t) {
		if m.unless != "" {
			list = append(list, object{{"anyOf", []object{{{"required", []string{m.name}}}, {{"required", []string{m.unless}}}}}})
		}
		if c := m.must; c.some() {
			list = append(list, object{{"if", holds(c)}, {"then", object{{"required", []string{m.name}}}}})
		}
		if c := m.when; c.some() {
			list = append(list, object{{"if", object{{"required", []string{m.name}}}}, {"then", holds(c)}})
		}
	}
	return list
}

func holds(c condition) object {
	return object{
		{"properties", object{{c.sibling, object{{"enum", c.is}}}}},
		{"required", []string{c.sibling}},
	}
}
