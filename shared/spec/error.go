package spec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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

// maxErrors is how many errors of one document are kept; the others are counted.
const maxErrors = 50

// findings collects the errors of one document.
type findings struct {
	errs  []error
	count int // of all, also of those that errs does not keep
}

func (f *findings) add(err *Error) {
	if !f.full() {
		f.errs = append(f.errs, err)
	}
	f.count++
}

func (f *findings) full() bool { return len(f.errs) >= maxErrors }

// err joins what was found, and last, if it is not nil.
func (f *findings) err(file string, last error) error {
	errs := slices.Clone(f.errs)
	if more := f.count - len(errs); more > 0 {
		errs = append(errs, &Error{File: file, Reason: fmt.Sprintf("and %d more errors", more)})
	}
	return errors.Join(append(errs, last)...)
}

// place is where a value begins in its file.
type place struct{ line, column int }

// cursor turns byte offsets into places. Offsets that grow cost no more than
// what lies between them.
type cursor struct {
	data   []byte
	offset int
	place
}

func (c *cursor) at(offset int) place {
	offset = min(max(offset, 0), len(c.data))
	if offset < c.offset || c.line == 0 {
		c.offset, c.place = 0, place{1, 1}
	}
	between := c.data[c.offset:offset]
	if i := bytes.LastIndexByte(between, '\n'); i >= 0 {
		c.line += bytes.Count(between, []byte("\n"))
		c.column, between = 1, between[i+1:]
	}
	c.column += utf8.RuneCount(between)
	c.offset = offset
	return c.place
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
