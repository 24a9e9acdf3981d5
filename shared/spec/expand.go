package spec

import "strings"

// Expand replaces the placeholders of a template of the service, whose file is
// named in errors with the line at fault.
func (s Located) Expand(file, text string, v Vars) (string, error) {
	c := &scope{service: s.WithDefaults(), vars: v}
	var b strings.Builder
	line := 0
	for part := range strings.Lines(text) {
		line++
		out, err := expand(part, c.value)
		if err != nil {
			return "", &Error{File: file, Line: line, Column: 1, Reason: err.Reason, Want: err.Want}
		}
		b.WriteString(out)
	}
	return b.String(), nil
}
