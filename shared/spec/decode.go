package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"core.internal/shared/config"
)

// document checks JSON against the schema's types while it notes where every
// value begins.
type document struct {
	findings // what is well-formed JSON but not of the schema

	file   string
	data   []byte
	cursor cursor
	dec    *jsontext.Decoder
	places map[string]place // by field
	scalar string           // the last text or number read; empty after what was skipped
}

// decode reads one document. The returned places are complete where there is no
// error.
func decode(file string, data []byte) (Service, map[string]place, error) {
	d := &document{
		file: file, data: data, cursor: cursor{data: data}, places: map[string]place{},
		// Duplicates are reported here, with the member's path.
		dec: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)),
	}
	err := d.value("", reflect.TypeFor[Service](), rule{})
	if err == nil {
		end := int(d.dec.InputOffset())
		if _, more := d.dec.ReadToken(); !errors.Is(more, io.EOF) {
			rest := len(data[end:]) - len(bytes.TrimLeft(data[end:], " \t\r\n"))
			err = d.fail(end+rest, "", "text after the end of the document", "one JSON object")
		}
	}
	if err := d.err(file, err); err != nil {
		return Service{}, nil, err
	}
	var s Service
	if err := json.Unmarshal(data, &s); err != nil {
		return Service{}, nil, &Error{File: file, Reason: err.Error()}
	}
	return s, d.places, nil
}

// fail makes an error about the value that begins at an offset.
func (d *document) fail(offset int, path, reason, want string) *Error {
	p := d.cursor.at(offset)
	return &Error{File: d.file, Line: p.line, Column: p.column, Field: path, Reason: reason, Want: want}
}

func (d *document) report(offset int, path, reason, want string) {
	d.add(d.fail(offset, path, reason, want))
}

// syntax locates what the JSON decoder says; nothing can be read after it.
func (d *document) syntax(path string, err error) error {
	offset, reason := int(d.dec.InputOffset()), err.Error()
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		offset, reason = int(s.ByteOffset), s.Err.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		offset, reason = len(d.data), "the file ends too early"
		if len(bytes.TrimSpace(d.data)) == 0 {
			return d.fail(offset, path, "the file is empty", "one JSON object")
		}
	}
	return d.fail(offset, path, "malformed JSON: "+reason, "")
}

// value reads the value of one member. What it returns is a syntax error; what
// is not of the schema is reported and skipped.
func (d *document) value(path string, t reflect.Type, r rule) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if r.single && t.Kind() == reflect.Slice && d.dec.PeekKind() == '"' {
		t = t.Elem()
	}
	kinds, want := wantedKind(t)
	got := d.dec.PeekKind()
	if !strings.ContainsRune(kinds, rune(got)) {
		raw, err := d.dec.ReadValue()
		if err != nil {
			return d.syntax(path, err)
		}
		offset := int(d.dec.InputOffset()) - len(raw)
		reason := "found " + describe(got)
		if got == 'n' {
			reason = "found null: leave the member out instead"
		}
		d.report(offset, path, reason, want)
		d.scalar = ""
		return nil
	}
	switch {
	case got == '{' && t.Kind() == reflect.Map:
		return d.texts(path, r)
	case got == '{':
		return d.object(path, t)
	case got == '[':
		return d.array(path, t, r)
	}
	if m, ok := shortMember(t); ok {
		t, r = m.typ, m.rule
	}
	raw, err := d.dec.ReadValue()
	if err != nil {
		return d.syntax(path, err)
	}
	offset := int(d.dec.InputOffset()) - len(raw)
	d.places[path], d.scalar = d.cursor.at(offset), string(raw)
	if got == '"' {
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return d.syntax(path, err)
		}
		d.scalar = string(text)
	}
	_, special := scalarOf(t)
	switch {
	case special, t.Kind() == reflect.String:
		d.text(offset, path, d.scalar, t, r)
	case t.Kind() == reflect.Int, t.Kind() == reflect.Float64:
		d.number(offset, path, d.scalar, t, r)
	}
	return nil
}

// wantedKind has the kinds of JSON that a Go type is written as, in words too.
func wantedKind(t reflect.Type) (kinds, want string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := scalarOf(t); ok {
		return s.kinds, s.want
	}
	switch t.Kind() {
	case reflect.String:
		return `"`, "a text"
	case reflect.Bool:
		return "tf", "true or false"
	case reflect.Int:
		return "0", "a whole number"
	case reflect.Float64:
		return "0", "a number"
	case reflect.Slice:
		return "[", "an array"
	}
	if short(t) != "" {
		return `"{`, "a text or an object"
	}
	return "{", "an object"
}

func describe(k jsontext.Kind) string {
	return map[jsontext.Kind]string{
		'n': "null", '{': "an object", '[': "an array", '"': "a text", '0': "a number", 't': "true", 'f': "false",
	}[k]
}

func (d *document) number(offset int, path, raw string, t reflect.Type, r rule) {
	n, err := strconv.ParseFloat(raw, 64)
	want := "a number"
	if t.Kind() == reflect.Int {
		var whole int
		whole, err = strconv.Atoi(raw)
		n, want = float64(whole), "a whole number"
	}
	switch low, high := r.min, r.max; {
	case err != nil:
		d.report(offset, path, "found "+shorten(raw), want)
	case low != nil && n < float64(*low), high != nil && n > float64(*high):
		d.report(offset, path, shorten(raw)+" is out of range", fmt.Sprintf("%d to %d", *low, *high))
	}
}

func (d *document) text(offset int, path, text string, t reflect.Type, r rule) {
	if s, ok := scalarOf(t); ok {
		err := s.reject(text)
		if err == nil && r.positive {
			err = positive(t, text)
		}
		if err != nil {
			d.report(offset, path, err.Error(), "")
		}
		return
	}
	if strings.ContainsRune(text, 0) {
		d.report(offset, path, "the text has a NUL character", "text without it")
		return
	}
	if len(r.enum) > 0 && !slices.Contains(r.enum, text) {
		reason := fmt.Sprintf("unknown value %q", text)
		if near := config.Suggest(text, r.enum); near != "" && len(r.enum) > 1 {
			reason += fmt.Sprintf(": did you mean %q?", near)
		}
		d.report(offset, path, reason, alternatives(r.enum))
		return
	}
	if r.shape != "" && !r.placeholders {
		if reason := shapes[r.shape].check(text); reason != "" {
			d.report(offset, path, reason, shapes[r.shape].want)
		}
	}
}

// array reads a list and checks its elements.
func (d *document) array(path string, t reflect.Type, r rule) error {
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(path, err)
	}
	d.places[path] = d.cursor.at(int(d.dec.InputOffset()) - 1)
	seen := map[string]string{}
	n := 0
	for ; d.dec.PeekKind() != ']'; n++ {
		at := element(path, n)
		if err := d.value(at, t.Elem(), r); err != nil {
			return err
		}
		if r.unique {
			if first, twice := seen[d.scalar]; twice {
				d.add(located(d.file, d.places, at, fmt.Sprintf("%q is in the list already, as %s", shorten(d.scalar), first), "each once"))
			} else if d.scalar != "" {
				seen[d.scalar] = at
			}
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(path, err)
	}
	switch {
	case n < r.least:
		d.add(located(d.file, d.places, path, "the list is empty", fmt.Sprintf("%d or more", r.least)))
	case r.most > 0 && n > r.most:
		d.add(located(d.file, d.places, path, fmt.Sprintf("the list has %d elements", n), fmt.Sprintf("at most %d", r.most)))
	}
	return nil
}

// members reads the members of an object; each is called with the name, its
// path and where the name begins.
func (d *document) members(path string, each func(name, at string, offset int) error) (present map[string]bool, err error) {
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, d.syntax(path, err)
	}
	d.places[path] = d.cursor.at(int(d.dec.InputOffset()) - 1)
	present = map[string]bool{}
	for d.dec.PeekKind() != '}' {
		raw, err := d.dec.ReadValue()
		if err != nil {
			return nil, d.syntax(path, err)
		}
		offset := int(d.dec.InputOffset()) - len(raw)
		unquoted, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, d.syntax(path, err)
		}
		name := string(unquoted)
		at := below(path, name)
		if present[name] {
			d.report(offset, at, "the member is there twice", "each member once")
			if err := d.dec.SkipValue(); err != nil {
				return nil, d.syntax(at, err)
			}
			continue
		}
		present[name] = true
		if err := each(name, at, offset); err != nil {
			return nil, err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, d.syntax(path, err)
	}
	return present, nil
}

func (d *document) object(path string, t reflect.Type) error {
	known := map[string]field{}
	for _, m := range members(t) {
		known[m.name] = m
	}
	brief, scalar := short(t), ""
	present, err := d.members(path, func(name, at string, offset int) error {
		m, ok := known[name]
		if ok {
			err := d.value(at, m.typ, m.rule)
			if name == brief {
				scalar = d.scalar
			}
			return err
		}
		names := slices.Sorted(maps.Keys(known))
		if near := config.Suggest(name, names); near != "" {
			d.report(offset, at, fmt.Sprintf("unknown member: did you mean %q?", near), "")
		} else {
			d.report(offset, at, "unknown member", alternatives(names))
		}
		if err := d.dec.SkipValue(); err != nil {
			return d.syntax(at, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range members(t) {
		if m.required && !present[m.name] && !present[m.unless] {
			_, want := wantedKind(m.typ)
			switch {
			case len(m.enum) > 0:
				want = alternatives(m.enum)
			case m.shape != "":
				want = shapes[m.shape].want
			}
			d.add(located(d.file, d.places, below(path, m.name), "missing", want))
		}
	}
	d.scalar = scalar
	return nil
}

// texts reads an object that maps names to texts.
func (d *document) texts(path string, r rule) error {
	_, err := d.members(path, func(name, at string, offset int) error {
		if reason := shapes[r.keys].check(name); reason != "" {
			d.report(offset, at, reason, shapes[r.keys].want)
		}
		return d.value(at, reflect.TypeFor[string](), rule{})
	})
	return err
}
