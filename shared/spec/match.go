package spec

import (
	"fmt"
	"strings"
)

// match is one matcher of a route.
type match struct {
	kind   string // host or path
	values []string
}

// hostName is a name as the edge compares it: lower case; "*." may stand for
// one label in front.
var hostName = lazy(`^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// parseMatch reads host(`a`, `b`) or path(`/x/*`). What it says of a malformed
// one goes before the shape's expectation.
func parseMatch(text string) (match, error) {
	kind, rest, ok := strings.Cut(text, "(")
	list, closed := strings.CutSuffix(rest, ")")
	if !ok || !closed {
		return match{}, fmt.Errorf("%q is no matcher", shorten(text))
	}
	if kind != "host" && kind != "path" {
		return match{}, fmt.Errorf("unknown matcher %q", shorten(kind))
	}
	m := match{kind: kind}
	seen := map[string]bool{}
	for {
		list = strings.TrimLeft(list, " ")
		inner, ok := strings.CutPrefix(list, "`")
		value, after, closed := strings.Cut(inner, "`")
		if !ok || !closed {
			return match{}, fmt.Errorf("in %q each value must stand in backquotes", shorten(text))
		}
		if seen[value] {
			return match{}, fmt.Errorf("%q is there twice", shorten(value))
		}
		seen[value] = true
		if err := m.add(value); err != nil {
			return match{}, err
		}
		after = strings.TrimLeft(after, " ")
		if after == "" {
			return m, nil
		}
		if list, ok = strings.CutPrefix(after, ","); !ok {
			return match{}, fmt.Errorf("in %q a comma must stand between two values", shorten(text))
		}
	}
}

func (m *match) add(value string) error {
	switch {
	case m.kind == "host" && (len(value) > 253 || !hostName().MatchString(value)):
		return fmt.Errorf("%q is no host name in lower case", shorten(value))
	case m.kind == "path" && !pathPrefix(value):
		return fmt.Errorf("%q is no path that begins with / and ends with *", shorten(value))
	}
	m.values = append(m.values, value)
	return nil
}

func pathPrefix(value string) bool {
	prefix, ok := strings.CutSuffix(value, "*")
	return ok && strings.HasPrefix(prefix, "/") && !strings.ContainsAny(prefix, "*?#\x00 \t\r\n")
}
