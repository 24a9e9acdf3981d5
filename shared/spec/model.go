package spec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// rule is what a spec tag demands of a member, for a list of each element:
//
//	enum=a|b      one of these texts
//	default=x     what an absent member means
//	min=1 max=9   bounds of a number
//	least=1 most=2 bounds of a list's length
//	unique        no element twice
//	single        a list that may be written as its only element
//	shape=name    a form that shapes has; after placeholders are replaced
//	keys=name     the same for the names of a map
//	placeholders  text in braces is replaced
//	secrets       and {secret.NAME} may be among it
//	positive      a duration or a size that is not 0
//	unless=a      required only where the sibling a is absent
//	when=a:b|c    only where the sibling a is b or c
//	must          and there it is required
//	must=a:b|c    required where the sibling a is b or c
type rule struct {
	enum         []string
	def          string
	min, max     *int
	least, most  int // most 0: unbounded
	unique       bool
	single       bool
	shape, keys  string
	placeholders bool
	secrets      bool
	positive     bool
	unless       string
	when, must   condition
}

// condition holds where a sibling has one of some values. The zero condition
// never does.
type condition struct {
	sibling string
	is      []string
}

func parseCondition(text string) condition {
	sibling, values, _ := strings.Cut(text, ":")
	return condition{sibling, strings.Split(values, "|")}
}

func (c condition) some() bool { return c.sibling != "" }

// field is one member of an object of the schema.
type field struct {
	rule
	name     string // in JSON
	index    []int  // for reflect's FieldByIndex
	typ      reflect.Type
	required bool
	owner    string // the Go struct that declares it
	goName   string
}

// members lists what an object of type t may have, in declared order; members
// of an embedded struct stand where it is embedded.
func members(t reflect.Type) []field { return schemaTypes()[t] }

// schemaTypes are the members of every object of the schema.
var schemaTypes = sync.OnceValue(func() map[reflect.Type][]field {
	types := map[reflect.Type][]field{}
	addType(types, reflect.TypeFor[Service]())
	return types
})

func addType(types map[reflect.Type][]field, t reflect.Type) {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		addType(types, t.Elem())
		return
	}
	if _, known := types[t]; known || t.Kind() != reflect.Struct {
		return
	}
	types[t] = nil // so that a type may refer to itself
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		addType(types, f.Type)
		if f.Anonymous {
			for _, inner := range types[f.Type] {
				inner.index = append([]int{i}, inner.index...)
				list = append(list, inner)
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		list = append(list, field{
			rule: parseRule(f.Tag.Get("spec")), name: name, index: []int{i}, typ: f.Type,
			required: !strings.Contains(options, "omit"), owner: t.Name(), goName: f.Name,
		})
	}
	types[t] = list
}

func parseRule(tag string) rule {
	var r rule
	for part := range strings.SplitSeq(tag, ";") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "":
		case "enum":
			r.enum = strings.Split(value, "|")
		case "default":
			r.def = value
		case "min":
			r.min = new(number(value))
		case "max":
			r.max = new(number(value))
		case "least":
			r.least = number(value)
		case "most":
			r.most = number(value)
		case "unique":
			r.unique = true
		case "single":
			r.single = true
		case "shape":
			r.shape = value
		case "keys":
			r.keys = value
		case "placeholders":
			r.placeholders = true
		case "secrets":
			r.secrets = true
		case "positive":
			r.positive = true
		case "unless":
			r.unless = value
		case "when":
			r.when = parseCondition(value)
		case "must":
			if r.must = r.when; value != "" {
				r.must = parseCondition(value)
			}
		default:
			panic(fmt.Sprintf("spec tag %q: unknown part %q", tag, part))
		}
	}
	return r
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("spec tag: " + err.Error())
	}
	return n
}

// below names a member of the object at path; a name that is not plain is quoted.
func below(path, name string) string {
	if !plain(name) {
		return fmt.Sprintf("%s[%q]", path, shorten(name))
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// plain reports whether a name consists of 1 to 128 letters, digits, '_', '$' and
// '-'. It is asked for each member of each spec, too often for a pattern.
func plain(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '$' || r == '-')
	})
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// visit calls f for every member of the object v and of all objects below it,
// whether it is set or not, parents first.
func visit(v reflect.Value, path string, f func(parent reflect.Value, m field, v reflect.Value, path string)) {
	for _, m := range members(v.Type()) {
		member, at := v.FieldByIndex(m.index), below(path, m.name)
		f(v, m, member, at)
		switch member.Kind() {
		case reflect.Struct:
			visit(member, at, f)
		case reflect.Pointer:
			if !member.IsNil() && member.Elem().Kind() == reflect.Struct {
				visit(member.Elem(), at, f)
			}
		case reflect.Slice:
			for i := range member.Len() {
				if e := member.Index(i); e.Kind() == reflect.Struct {
					visit(e, element(at, i), f)
				}
			}
		}
	}
}
