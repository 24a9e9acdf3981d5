package spec

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is what became of one service between two readings of the specs.
type Change struct {
	ID     ServiceID
	Kind   ChangeKind
	Fields []FieldChange // of a changed one, in the order of the schema
	// Effect is what the change asks for: of a changed service the strongest of
	// its fields' effects.
	Effect Effect
}

// ChangeKind says what became of a service.
type ChangeKind string

// Kinds of changes.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// FieldChange is one member that is not what it was. Lists are one member; of a
// map each name is one.
type FieldChange struct {
	Field  string
	Effect Effect
}

// Effect is what a change asks of whoever carries it out.
type Effect string

// Effects, the weakest first.
const (
	// NoEffect: there is nothing to do but to remember where the spec is.
	NoEffect Effect = "none"
	// Reload: the service is registered anew and goes on running.
	Reload Effect = "reload"
	// RestartProcess: a running instance must be replaced to have it.
	RestartProcess Effect = "restart"
	// StartProcess is of an added service, if it is wanted.
	StartProcess Effect = "start"
	// StopProcess is of a removed one.
	StopProcess Effect = "stop"
)

// inPlace are the members whose change a running instance need not notice; with
// each goes all below it.
var inPlace = []string{
	"displayName", "description", "icon", "required", "caddy", "dependencies", "profiles",
	"process.restartPolicy", "process.reloadSignal", "process.schedule", "process.timezone", "process.overlap", "logging.retention",
}

// Plan says what is to be done where specs are read again: old is what is in
// force, new what was read, both after [WithReplicas] where that is used. The
// result is sorted by id; what did not change is not in it. That a member is
// absent and that it has its default's value are the same.
//
// Plan looks at the specs alone: that the text of a template changed does not
// show in them.
func Plan(old, new []Located) []Change {
	before := map[ServiceID]Located{}
	for _, s := range old {
		before[s.ID] = s
	}
	var changes []Change
	still := map[ServiceID]bool{}
	for _, s := range new {
		still[s.ID] = true
		was, known := before[s.ID]
		if !known {
			changes = append(changes, Change{ID: s.ID, Kind: Added, Effect: StartProcess})
		} else if c, ok := compare(was, s); ok {
			changes = append(changes, c)
		}
	}
	for _, s := range old {
		if !still[s.ID] {
			changes = append(changes, Change{ID: s.ID, Kind: Removed, Effect: StopProcess})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return changes
}

// compare is the change from one spec of a service to the next; ok is false
// where there is none.
func compare(old, new Located) (c Change, ok bool) {
	c = Change{ID: new.ID, Kind: Changed, Effect: NoEffect}
	differ := func(at string) {
		f := FieldChange{Field: at, Effect: RestartProcess}
		for _, m := range inPlace {
			if at == m || strings.HasPrefix(at, m+".") || strings.HasPrefix(at, m+"[") {
				f.Effect = Reload
			}
		}
		c.Fields = append(c.Fields, f)
		if c.Effect != RestartProcess {
			c.Effect = f.Effect
		}
	}
	differences(reflect.ValueOf(old.WithDefaults()), reflect.ValueOf(new.WithDefaults()), "", differ)
	// Templates and sources are relative to the directory.
	beside := func(e Ensure) bool { return e.Template != "" || e.Source != "" }
	if old.Dir != new.Dir && slices.ContainsFunc(new.Process.Ensure, beside) && !slices.ContainsFunc(c.Fields, isEnsure) {
		differ("process.ensure")
	}
	if old.ReplicaOf != new.ReplicaOf || old.Replica != new.Replica {
		differ("process.replicas")
	}
	return c, len(c.Fields) > 0 || old.File != new.File || old.Dir != new.Dir
}

func isEnsure(f FieldChange) bool { return f.Field == "process.ensure" }

// differences calls f for each member of two objects of one type that differs.
func differences(a, b reflect.Value, path string, f func(at string)) {
	for _, m := range members(a.Type()) {
		x, y, at := a.FieldByIndex(m.index), b.FieldByIndex(m.index), below(path, m.name)
		if x.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil() {
			x, y = x.Elem(), y.Elem()
		}
		switch {
		case x.Kind() == reflect.Struct:
			differences(x, y, at, f)
		case x.Kind() == reflect.Map:
			names := map[string]bool{}
			for _, v := range []reflect.Value{x, y} {
				for _, k := range v.MapKeys() {
					names[k.String()] = true
				}
			}
			for _, name := range slices.Sorted(maps.Keys(names)) {
				v, w := x.MapIndex(reflect.ValueOf(name)), y.MapIndex(reflect.ValueOf(name))
				if !v.IsValid() || !w.IsValid() || !v.Equal(w) {
					f(below(at, name))
				}
			}
		case x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0:
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			f(at)
		}
	}
}
