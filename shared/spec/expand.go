package spec

import (
	"errors"
	"strings"
)

// Expand replaces the placeholders of a template of the service, whose file is
// named in errors with the line at fault; those of all lines are joined.
func (s Located) Expand(file, text string, v Vars) (string, error) {
	c := &scope{service: s.Service, vars: v}
	var b strings.Builder
	var errs []error
	line := 0
	for part := range strings.Lines(text) {
		line++
		out, err := expand(part, c.value)
		if err != nil {
			errs = append(errs, &Error{File: file, Line: line, Column: 1, Reason: err.Reason, Want: err.Want})
		}
		b.WriteString(out)
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return b.String(), nil
}
