package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// fromFile reads a JSON file of settings. Objects may nest; a name is the path
// joined with dots.
func (s *Set) fromFile(file string, r io.Reader, set func(name, value string) error) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f := &fileReader{set: s, file: file, data: data, apply: set, dec: jsontext.NewDecoder(bytes.NewReader(data))}
	if kind := f.dec.PeekKind(); kind != '{' {
		if _, err := f.dec.ReadToken(); err != nil {
			return f.syntax(err)
		}
		return f.errorf("", "want an object of settings, found %s", describe(kind))
	}
	if err := f.object(""); err != nil {
		return err
	}
	if _, err := f.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return f.errorf("", "more than one JSON value: want one object")
	}
	return nil
}

type fileReader struct {
	set   *Set
	file  string
	data  []byte
	apply func(name, value string) error
	dec   *jsontext.Decoder
}

// object reads one object whose members are named below path.
func (f *fileReader) object(path string) error {
	if _, err := f.dec.ReadToken(); err != nil {
		return f.syntax(err)
	}
	for f.dec.PeekKind() != '}' {
		key, err := f.dec.ReadToken()
		if err != nil {
			return f.syntax(err)
		}
		name := key.String()
		if path != "" {
			name = path + "." + name
		}
		if f.dec.PeekKind() == '{' && f.set.Lookup(name) == nil {
			if err := f.object(name); err != nil {
				return err
			}
			continue
		}
		if err := f.member(name); err != nil {
			return err
		}
	}
	_, err := f.dec.ReadToken()
	if err != nil {
		return f.syntax(err)
	}
	return nil
}

// member reads the value of one setting.
func (f *fileReader) member(name string) error {
	known := f.set.Lookup(name)
	if known == nil || name == fileFlag {
		if near := Suggest(name, f.set.names()); near != "" {
			return f.errorf(name, "unknown setting: did you mean %q?", near)
		}
		return f.errorf(name, "unknown setting: `launcher config show` lists them")
	}
	where := fmt.Sprintf("%s:%d", f.file, f.line())
	values, err := f.values(name)
	if err != nil {
		return err
	}
	_, given := f.set.origins[name]
	for _, v := range values {
		if err := f.apply(name, v); err != nil {
			return f.errorf(name, "%q: want %s", v, expectation(known))
		}
	}
	if !given {
		f.set.origins[name] = Origin{FromFile, where}
	}
	return nil
}

func (f *fileReader) values(name string) ([]string, error) {
	_, repeatable := f.set.Lookup(name).Value.(*list)
	kind := f.dec.PeekKind()
	if kind != '[' || !repeatable {
		v, err := f.scalar(name)
		return []string{v}, err
	}
	if _, err := f.dec.ReadToken(); err != nil {
		return nil, f.syntax(err)
	}
	values := []string{""} // an empty array is an empty list
	for f.dec.PeekKind() != ']' {
		v, err := f.scalar(name)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if _, err := f.dec.ReadToken(); err != nil {
		return nil, f.syntax(err)
	}
	return values, nil
}

func (f *fileReader) scalar(name string) (string, error) {
	token, err := f.dec.ReadToken()
	if err != nil {
		return "", f.syntax(err)
	}
	switch kind := token.Kind(); kind {
	case '"', '0', 't', 'f':
		return token.String(), nil
	default:
		return "", f.errorf(name, "found %s: want %s", describe(kind), expectation(f.set.Lookup(name)))
	}
}

func describe(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case '{', '}':
		return "an object"
	case '[', ']':
		return "an array"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	}
	return "no JSON value"
}

// line and column of the last token read, from 1.
func (f *fileReader) position() (line, column int) {
	return position(f.data, f.dec.InputOffset())
}

func (f *fileReader) line() int {
	line, _ := f.position()
	return line
}

func position(data []byte, offset int64) (line, column int) {
	before := data[:min(offset, int64(len(data)))]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, len(before) - bytes.LastIndexByte(before, '\n')
}

func (f *fileReader) errorf(name, format string, args ...any) error {
	line, column := f.position()
	text := fmt.Sprintf(format, args...)
	if name != "" {
		text = fmt.Sprintf("field %q: %s", name, text)
	}
	return fmt.Errorf("%s:%d:%d: %s", f.file, line, column, text)
}

// syntax locates what the JSON decoder says.
func (f *fileReader) syntax(err error) error {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		line, column := position(f.data, s.ByteOffset)
		return fmt.Errorf("%s:%d:%d: malformed JSON: %w", f.file, line, column, s.Err)
	}
	return fmt.Errorf("%s: malformed JSON: %w", f.file, err)
}
