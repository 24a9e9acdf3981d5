package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Explained is one member of a spec, with what it says and why.
type Explained struct {
	Field string `json:"field"`
	Value string `json:"value"` // as JSON; empty where there is none
	// From is "spec", with Place, "default", or "" where nobody says anything.
	From  string `json:"from"`
	Place string `json:"place,omitempty"` // file:line:column
	Doc   string `json:"doc"`
}

// Explain lists every member of the schema as it is for a service, in the order
// of the schema; of what is not set only that it can be.
func Explain(s Located) []Explained {
	var list []Explained
	whole := s.WithDefaults()
	visit(reflect.ValueOf(whole), "", func(_ reflect.Value, m field, v reflect.Value, at string) {
		if v.Kind() == reflect.Struct && short(v.Type()) == "" {
			if _, scalar := scalarOf(v.Type()); !scalar {
				return // its members are told
			}
		}
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			if _, scalar := scalarOf(v.Type().Elem()); !scalar && v.Elem().Kind() == reflect.Struct {
				return
			}
		}
		one := Explained{Field: at, Doc: m.doc()}
		switch {
		case s.has(at):
			one.From, one.Place = "spec", s.position(at)
		case !v.IsZero(), v.Kind() == reflect.Bool:
			one.From = "default"
		}
		if one.From != "" {
			b, err := json.Marshal(v.Interface())
			if err != nil {
				b = fmt.Appendf(nil, "%v", v.Interface())
			}
			one.Value = string(b)
		}
		list = append(list, one)
	})
	return list
}
