package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strconv"
	"strings"
)

// Mode is file permissions in octal, as in "0640"; empty where none are said.
type Mode string

// Perm is the mode as a number, or another where it is empty.
func (m Mode) Perm(other fs.FileMode) fs.FileMode {
	n, err := strconv.ParseUint(string(m), 8, 9)
	if err != nil {
		return other
	}
	return fs.FileMode(n)
}

var modeForm = lazy(modePattern)

const modePattern = `^0?[0-7]{3}$`

// Account is the name or the number of a user or a group.
type Account string

// UnmarshalJSON implements [json.Unmarshaler]: a number is as good as its text.
func (a *Account) UnmarshalJSON(b []byte) error {
	text, err := literal(b)
	*a = Account(text)
	return err
}

const accountPattern = `^([A-Za-z_][A-Za-z0-9_.-]{0,63}|[0-9]{1,10})$`

var accountForm = lazy(accountPattern)

// rejectAccount refuses what is no name and no number of the kernel's: the
// largest one stands for none there.
func rejectAccount(text string) error {
	if n, err := strconv.ParseUint(text, 10, 64); accountForm().MatchString(text) && (err != nil || n < 1<<32-1) {
		return nil
	}
	return fmt.Errorf("found %q: want the name or the number of a user or a group", shorten(text))
}

// scalar is a Go type with a form of its own in JSON: a text, a number, or
// either.
type scalar struct {
	kinds  string                  // '"' and '0', as in [jsontext.Kind]
	want   string                  // in words
	reject func(text string) error // of what is not of the form; whole, with what was wanted
	doc    string                  // for the reference
	schema []object                // alternatives of the JSON Schema
}

const (
	sizePattern  = `^[0-9]+[KMGT]?$`
	limitPattern = `^([0-9]+[KMGT]?|unlimited)$`
	coresPattern = `^[0-9]+(\.[0-9]{1,3})?$`
)

func refusal[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		_, err := parse(text)
		return err
	}
}

func textSchema(pattern string) object { return object{{"type", "string"}, {"pattern", pattern}} }

func wholeSchema(most any) object {
	s := object{{"type", "integer"}, {"minimum", 0}}
	if most != nil {
		s = append(s, member{"maximum", most})
	}
	return s
}

// scalarOf says how a type of that kind is written.
func scalarOf(t reflect.Type) (scalar, bool) {
	switch t {
	case reflect.TypeFor[Duration]():
		return scalar{
			kinds: `"`, want: `a duration, as in "5s"`, reject: refusal(ParseDuration), doc: "duration",
			schema: []object{textSchema(durationPattern)},
		}, true
	case reflect.TypeFor[Size]():
		return scalar{
			kinds: `"0`, want: `a size, as in "64M"`, reject: refusal(ParseSize), doc: "size",
			schema: []object{textSchema(sizePattern), wholeSchema(nil)},
		}, true
	case reflect.TypeFor[Limit]():
		return scalar{
			kinds: `"0`, want: `a number, a size as in "64M", or "unlimited"`, reject: refusal(ParseLimit), doc: "number, size or `unlimited`",
			schema: []object{textSchema(limitPattern), wholeSchema(nil)},
		}, true
	case reflect.TypeFor[Cores]():
		return scalar{
			kinds: `"0`, want: "a number of processors, as in 1.5", reject: refusal(ParseCores), doc: fmt.Sprintf("number, 0.001 to %d", maxCores),
			schema: []object{textSchema(coresPattern), {{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", maxCores}}},
		}, true
	case reflect.TypeFor[Account]():
		return scalar{
			kinds: `"0`, want: "a name or a number", reject: rejectAccount, doc: "name or number",
			schema: []object{textSchema(accountPattern), wholeSchema(int64(1<<32 - 2))},
		}, true
	case reflect.TypeFor[Mode]():
		return scalar{
			kinds: `"`, want: `permissions in octal, as in "0640"`, doc: "octal text",
			reject: func(text string) error {
				if modeForm().MatchString(text) {
					return nil
				}
				return fmt.Errorf(`found %q: want permissions in octal, as in "0640"`, shorten(text))
			},
			schema: []object{textSchema(modePattern)},
		}, true
	case reflect.TypeFor[Signal]():
		names := strings.ReplaceAll(strings.Join(Signals(), "|"), "SIG", "")
		return scalar{
			kinds: `"`, want: `the name of a signal, as in "SIGTERM"`, reject: refusal(ParseSignal), doc: "signal",
			schema: []object{textSchema("^(SIG)?(" + names + ")$")},
		}, true
	}
	return scalar{}, false
}

// positive refuses a value of a type that has one 0.
func positive(t reflect.Type, text string) error {
	zero := reflect.New(t)
	b, err := json.Marshal(text)
	if err == nil {
		err = json.Unmarshal(b, zero.Interface())
	}
	if err == nil && zero.Elem().IsZero() {
		return errors.New("found 0: want more than 0")
	}
	return err
}

// short names the member that the text form of an object is the value of; ""
// for an object that has no such form.
func short(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Restart]():
		return "policy"
	case reflect.TypeFor[Dependency]():
		return "service"
	}
	return ""
}

// shortMember is that member.
func shortMember(t reflect.Type) (field, bool) {
	name := short(t)
	for _, m := range members(t) {
		if name != "" && m.name == name {
			return m, true
		}
	}
	return field{}, false
}
