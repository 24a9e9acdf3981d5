package spec

import (
	"reflect"
	"slices"
	"strings"
)

// notYet are the members that no part of the platform honours yet. A row with
// values is about these alone. Who makes one work removes its row.
var notYet = []struct {
	field  string // [] stands for any element, and health for each of its checks
	values []string
}{
	{"process.ensure[].extract", []string{"tar.gz", "tar.xz", "zip"}},
}

// generic is a field as a row names it.
func generic(at string) string {
	at = strings.NewReplacer("health.liveness.", "health.", "health.readiness.", "health.").Replace(at)
	return index().ReplaceAllString(at, "[]")
}

var index = lazy(`\[\d+\]`)

// Supported reports, as an [*Error], why this build cannot run the service; a
// spec may say more than every build can do.
func Supported(s Located) error {
	if s.Dep != nil && !slices.Contains(Sources(), s.Dep.Source) {
		var able []string
		for _, source := range Sources() {
			able = append(able, string(source))
		}
		return s.Errorf("dep.source", alternatives(able), "not supported yet: %q", s.Dep.Source)
	}
	var first *Error
	refuse := func(at, format string, args ...any) {
		if first == nil {
			first = s.Errorf(at, "", "not supported yet: "+format, args...)
		}
	}
	visit(reflect.ValueOf(s.Service), "", func(_ reflect.Value, m field, v reflect.Value, at string) {
		generic := generic(at)
		for _, row := range notYet {
			switch {
			case row.field != generic:
			case v.IsZero(), v.Kind() == reflect.Int && m.def != "" && v.Int() == int64(number(m.def)):
			case row.values == nil:
				refuse(at, "leave %s out", m.name)
			case slices.Contains(row.values, v.String()):
				refuse(at, "%q", v.String())
			}
		}
	})
	if first != nil {
		return first
	}
	return nil
}
