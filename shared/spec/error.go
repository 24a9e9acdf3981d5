package spec

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with one value of a spec, and where.
type Error struct {
	File   string
	Line   int    // from 1; 0 where the value is not in the file
	Column int    // from 1, in characters
	Field  string // as in process.ensure[0].path; empty for the document
	Reason string
	Want   string // what was expected; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	for _, part := range []string{e.Field, e.Reason} {
		if part != "" {
			if b.Len() > 0 {
				b.WriteString(": ")
			}
			b.WriteString(part)
		}
	}
	switch {
	case e.Want == "":
	case strings.HasSuffix(e.Reason, "?"):
		b.WriteString(" Want " + e.Want)
	default:
		b.WriteString(": want " + e.Want)
	}
	return b.String()
}

// place is where a value begins in its file.
type place struct{ line, column int }

// placeAt turns a byte offset into a place.
func placeAt(data []byte, offset int) place {
	before := data[:min(max(offset, 0), len(data))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return place{1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[begin:])}
}

// alternatives lists texts as in: "a", "b" or "c".
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// located makes an error about a field: at the field's own place, or at that of
// the nearest object or list around it where the field is absent.
func located(file string, places map[string]place, path, reason, want string) *Error {
	e := &Error{File: file, Field: path, Reason: reason, Want: want}
	for {
		if p, ok := places[path]; ok {
			e.Line, e.Column = p.line, p.column
			return e
		}
		if path == "" {
			return e
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}
