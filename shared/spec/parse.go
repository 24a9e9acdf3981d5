package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// MaxBytes is the largest document.
const MaxBytes = 1 << 20

// Parse reads one spec. Every value that is not of the schema is an [*Error]
// with its place; they are joined. Members that are absent stay empty: see
// [Service.WithDefaults].
func Parse(file string, b []byte) (Service, error) {
	s, err := ParseLocated(file, b)
	return s.Service, err
}

// Located is a spec and where it came from.
type Located struct {
	Service
	File   string // as it is to be named in messages
	Dir    string // absolute: templates are relative to it
	Digest string // sha256 of what the spec says, however it is written
	// ReplicaOf is the id in the document where ID is that of the replica with
	// the number Replica; see [WithReplicas].
	ReplicaOf ServiceID
	Replica   int

	places map[string]place
}

// ParseLocated is [Parse] for a spec that is to be resolved: later errors still
// name file, line and column.
func ParseLocated(file string, b []byte) (Located, error) {
	if len(b) > MaxBytes {
		return Located{}, &Error{File: file, Reason: fmt.Sprintf("the file has %d bytes", len(b)), Want: fmt.Sprintf("at most %d", MaxBytes)}
	}
	s, places, err := decode(file, b)
	if err != nil {
		return Located{}, err
	}
	l := Located{Service: s, File: file, Digest: digest(s), places: places}
	if l.Dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
		l.Dir = filepath.Dir(file)
	}
	if err := l.check(); err != nil {
		return Located{}, err
	}
	return l, nil
}

// Read is [ParseLocated] of a file.
func Read(file string) (Located, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Located{}, fmt.Errorf("read spec: %w", err)
	}
	return ParseLocated(file, b)
}

// Errorf makes an error about one field of the spec, with its place. The field
// is written as in process.ensure[0].path; want may be empty.
func (s Located) Errorf(field, want, format string, args ...any) *Error {
	return located(s.File, s.places, field, fmt.Sprintf(format, args...), want)
}

// has reports whether a member is in the document.
func (s Located) has(field string) bool {
	_, ok := s.places[field]
	return ok
}

// check finds what the form of single values does not show.
func (s Located) check() error {
	var found findings
	fail := func(field, want, format string, args ...any) {
		found.add(s.Errorf(field, want, format, args...))
	}
	root := reflect.ValueOf(s.Service)
	visit(root, "", func(parent reflect.Value, m field, _ reflect.Value, at string) {
		if c := m.must; c.some() && !s.has(at) && slices.Contains(c.is, effective(parent, c.sibling)) {
			_, want := wantedKind(m.typ)
			fail(at, want, "missing: it is required where %s is %q", c.sibling, effective(parent, c.sibling))
		}
		if c := m.when; c.some() && s.has(at) && !slices.Contains(c.is, effective(parent, c.sibling)) {
			fail(at, "", "not for %s %q: only where %s is %s", c.sibling, effective(parent, c.sibling), c.sibling, alternatives(c.is))
		}
	})
	s.checkProcess(fail)
	s.checkDep(fail)
	s.checkPorts(fail)
	s.checkHealth(fail)
	s.checkExposure(fail)
	if found.count == 0 {
		// What remains needs values in the place of placeholders; any will do.
		c := s.newScope(Vars{
			Bin: "/bin", ConfigDir: "/conf", DataDir: "/data", LogDir: "/log", NodeDir: "/node", Node: "node", Instance: "instance",
		})
		c.trial = true
		_, err := s.resolve(c)
		return err
	}
	return found.err(s.File, nil)
}

// effective is the text of a member, or its default.
func effective(object reflect.Value, name string) string {
	for _, m := range members(object.Type()) {
		if m.name == name {
			if text := object.FieldByIndex(m.index).String(); text != "" {
				return text
			}
			return m.def
		}
	}
	return ""
}
