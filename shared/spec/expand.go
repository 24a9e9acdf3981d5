package spec

import "strings"

// Expand replaces the placeholders of a template of the service, whose file is
// named in errors with the line at fault; those of all lines are joined.
func (s Located) Expand(file, text string, v Vars) (string, error) {
	c := s.newScope(v)
	c.secrets = true
	var b strings.Builder
	var found findings
	line := 0
	for part := range strings.Lines(text) {
		if line++; found.full() {
			break
		}
		out, err := expand(part, c.value)
		if err != nil {
			found.add(&Error{File: file, Line: line, Column: 1, Reason: err.Reason, Want: err.Want})
		}
		b.WriteString(out)
	}
	if err := found.err(file, nil); err != nil {
		return "", err
	}
	return b.String(), nil
}
