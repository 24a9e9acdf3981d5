package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxFile is the largest file of settings in bytes.
const maxFile = 1 << 20

// fromFile reads a JSON file of settings. Objects may nest; a name is the path
// joined with dots.
func (s *Set) fromFile(file string, r io.Reader, set func(name, value string) error) error {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("%s: the file is larger than %d bytes: want an object of settings", file, maxFile)
	}
	f := &fileReader{
		set: s, file: file, data: data, apply: set, seen: map[string]int{},
		// A name that is there twice is reported here, with where it was first.
		dec: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)),
	}
	if kind := f.dec.PeekKind(); kind != '{' {
		if _, err := f.next(""); err != nil {
			return err
		}
		return f.errorf("", "found %s: want an object of settings", describe(kind))
	}
	if err := f.object(""); err != nil {
		return err
	}
	rest := bytes.TrimLeft(data[f.dec.InputOffset():], " \t\r\n")
	if len(rest) > 0 {
		f.start = len(data) - len(rest)
		return f.errorf("", "text after the end of the object: want one object")
	}
	return nil
}

type fileReader struct {
	set   *Set
	file  string
	data  []byte
	apply func(name, value string) error
	dec   *jsontext.Decoder
	start int            // where the value or name begins that was read last
	seen  map[string]int // the line of every setting, by name
}

// next reads one name, or one value that is neither an object nor an array, of
// which it reads the opening bracket.
func (f *fileReader) next(name string) (jsontext.Value, error) {
	if kind := f.dec.PeekKind(); strings.ContainsRune("{}[]", rune(kind)) {
		token, err := f.dec.ReadToken()
		if err != nil {
			return nil, f.syntax(name, err)
		}
		f.start = int(f.dec.InputOffset()) - 1
		return jsontext.Value(token.String()), nil
	}
	v, err := f.dec.ReadValue()
	if err != nil {
		return nil, f.syntax(name, err)
	}
	f.start = int(f.dec.InputOffset()) - len(v)
	return v.Clone(), nil
}

// object reads one object whose members are named below path.
func (f *fileReader) object(path string) error {
	if _, err := f.next(path); err != nil {
		return err
	}
	for f.dec.PeekKind() != '}' {
		key, err := f.next(path)
		if err != nil {
			return err
		}
		name, err := unquote(key)
		if err != nil {
			return f.syntax(path, err)
		}
		if path != "" {
			name = path + "." + name
		}
		if f.dec.PeekKind() == '{' && f.set.group(name) {
			if err := f.object(name); err != nil {
				return err
			}
			continue
		}
		if err := f.member(name); err != nil {
			return err
		}
	}
	_, err := f.next(path)
	return err
}

// group reports whether settings are named below a name.
func (s *Set) group(name string) bool {
	for _, n := range s.names() {
		if strings.HasPrefix(n, name+".") {
			return s.Lookup(name) == nil
		}
	}
	return false
}

// member reads the value of one setting.
func (f *fileReader) member(name string) error {
	known := f.set.Lookup(name)
	if name == fileFlag {
		return f.errorf(name, "a file cannot name another one: want a flag --%s or the variable %s", fileFlag, Variable(fileFlag))
	}
	if known == nil {
		if f.set.group(name) {
			return f.errorf(name, "found %s: want an object of settings", describe(f.dec.PeekKind()))
		}
		names := slices.DeleteFunc(f.set.names(), func(n string) bool { return n == fileFlag })
		if near := Suggest(name, append(f.set.groups(), names...)); near != "" {
			return f.errorf(name, "unknown setting: did you mean %q?", near)
		}
		return f.errorf(name, "unknown setting: want one of %s", strings.Join(names, ", "))
	}
	if line, twice := f.seen[name]; twice {
		return f.errorf(name, "the setting is in line %d already: want it once", line)
	}
	line, _ := position(f.data, f.start)
	f.seen[name] = line
	_, given := f.set.origins[name]
	if !given {
		f.set.origins[name] = Origin{FromFile, fmt.Sprintf("%s:%d", f.file, line)}
	}
	apply := func(value string) error {
		if given {
			// What beats the file must not hide that the file is wrong.
			return f.set.try(known, value)
		}
		return f.apply(name, value)
	}
	_, repeatable := known.Value.(*list)
	if f.dec.PeekKind() != '[' || !repeatable {
		return f.scalar(name, apply)
	}
	if _, err := f.next(name); err != nil {
		return err
	}
	if err := apply(""); err != nil { // an empty array is an empty list
		return f.errorf(name, "%s", explain(known, err))
	}
	for f.dec.PeekKind() != ']' {
		if err := f.scalar(name, apply); err != nil {
			return err
		}
	}
	_, err := f.next(name)
	return err
}

// groups lists what stands before the dots of names.
func (s *Set) groups() []string {
	var list []string
	for _, n := range s.names() {
		if before, _, ok := strings.Cut(n, "."); ok {
			list = append(list, before)
		}
	}
	return list
}

// scalar reads one value and applies it.
func (f *fileReader) scalar(name string, apply func(string) error) error {
	known := f.set.Lookup(name)
	kind := f.dec.PeekKind()
	raw, err := f.next(name)
	if err != nil {
		return err
	}
	value := string(raw)
	if kind == '"' {
		if value, err = unquote(raw); err != nil {
			return f.syntax(name, err)
		}
	}
	if want := wantedKind(get(known)); want != 0 && want != kind && (want != 't' || kind != 'f') {
		return f.errorf(name, "found %s: want %s", describe(kind), expectation(known))
	}
	if _, repeatable := known.Value.(*list); repeatable && strings.Contains(value, ",") {
		return f.errorf(name, "%q: want no comma in an element", value)
	}
	if err := apply(value); err != nil {
		return f.errorf(name, "%q: %s", show(value), explain(known, err))
	}
	return nil
}

// wantedKind is how a value is written in JSON; 0 where the flag does not tell.
func wantedKind(value any) jsontext.Kind {
	switch value.(type) {
	case bool:
		return 't'
	case int, int64, uint, uint64, float64:
		return '0'
	case string, time.Duration, Strings:
		return '"'
	}
	return 0
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

func unquote(v jsontext.Value) (string, error) {
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

// position is the line and column of an offset, from 1; columns count
// characters.
func position(data []byte, offset int) (line, column int) {
	before := data[:min(max(offset, 0), len(data))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[begin:])
}

// errorf is about what was read last.
func (f *fileReader) errorf(name, format string, args ...any) error {
	line, column := position(f.data, f.start)
	text := fmt.Sprintf(format, args...)
	if name != "" {
		text = fmt.Sprintf("field %q: %s", show(name), text)
	}
	return fmt.Errorf("%s:%d:%d: %s", f.file, line, column, text)
}

// syntax locates what the JSON decoder says.
func (f *fileReader) syntax(name string, err error) error {
	f.start = int(f.dec.InputOffset())
	reason := err
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		f.start, reason = int(s.ByteOffset), s.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		f.start, reason = len(f.data), errors.New("the file ends too early")
		if len(bytes.TrimSpace(f.data)) == 0 {
			return f.errorf("", "the file is empty: want an object of settings, {} for none")
		}
	}
	return f.errorf(name, "malformed JSON: %v", reason)
}
