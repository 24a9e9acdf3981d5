package config

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Strings is a list of texts: a flag given several times, a comma-separated flag
// or variable, or a JSON array. What is given replaces the default. An element
// cannot have a comma.
type Strings []string

// CheckedVar adds a text that check must accept; its error says what is wanted.
// Wherever a value comes from, a refused one is an error that names the place.
func (s *Set) CheckedVar(p *string, name, value, usage string, check func(string) error) {
	*p = value
	s.Var(&checked{p, check}, name, usage)
}

// StringsVar adds a setting that may be given several times.
func (s *Set) StringsVar(p *Strings, name string, value Strings, usage string) {
	s.CheckedStringsVar(p, name, value, usage, func(string) error { return nil })
}

// CheckedStringsVar is [Set.StringsVar] where check must accept each element.
func (s *Set) CheckedStringsVar(p *Strings, name string, value Strings, usage string, check func(string) error) {
	*p = value
	s.Var(&list{p: p, check: check}, name, usage)
}

// PositiveVar adds a duration of more than 0.
func (s *Set) PositiveVar(p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	s.Var((*positive)(p), name, usage)
}

// OneOf returns a check for one of some texts.
func OneOf(allowed ...string) func(string) error {
	return func(text string) error {
		if slices.Contains(allowed, text) {
			return nil
		}
		return wanted("want one of " + strings.Join(allowed, ", "))
	}
}

// wanted is an error that says all there is to say about a value.
type wanted string

func (w wanted) Error() string { return string(w) }

// checked is the flag behind CheckedVar.
type checked struct {
	p     *string
	check func(string) error
}

func (c *checked) String() string {
	if c.p == nil {
		return ""
	}
	return *c.p
}

// Get implements [flag.Getter].
func (c *checked) Get() any { return *c.p }

func (c *checked) Set(text string) error {
	if err := c.check(text); err != nil {
		return wanted(err.Error())
	}
	*c.p = text
	return nil
}

// list is the flag behind [Strings].
type list struct {
	p     *Strings
	set   bool
	check func(string) error
}

func (l *list) String() string {
	if l.p == nil {
		return ""
	}
	return strings.Join(*l.p, ",")
}

// Get implements [flag.Getter].
func (l *list) Get() any { return *l.p }

func (l *list) Set(text string) error {
	var values []string
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		if err := l.check(v); err != nil {
			return wanted(err.Error())
		}
		values = append(values, v)
	}
	if !l.set {
		*l.p, l.set = nil, true // the default's array is not ours to append to
	}
	*l.p = append(*l.p, values...)
	return nil
}

// positive is the flag behind PositiveVar.
type positive time.Duration

func (p *positive) String() string { return time.Duration(*p).String() }

// Get implements [flag.Getter].
func (p *positive) Get() any { return time.Duration(*p) }

func (p *positive) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return wanted(`want a duration of more than 0, as in "1.5s" or "2m"`)
	}
	*p = positive(d)
	return nil
}

// explain says why a value was refused and what is wanted instead.
func explain(f *flag.Flag, err error) string {
	var w wanted
	if errors.As(err, &w) {
		return string(w)
	}
	return "want " + expectation(f)
}

// expectation says in words what a flag's value must look like.
func expectation(f *flag.Flag) string {
	switch get(f).(type) {
	case bool:
		return "true or false"
	case int, int64, uint, uint64:
		return "a whole number"
	case float64:
		return "a number"
	case time.Duration:
		return `a duration, as in "1.5s" or "2m"`
	case Strings:
		return "a text, or a list of texts"
	case string:
		return "a text"
	}
	return fmt.Sprintf("a value for: %s", f.Usage)
}

// try reports whether a flag would take a value, which it does not.
func (s *Set) try(f *flag.Flag, value string) error {
	switch v := f.Value.(type) {
	case *checked:
		return v.check(value)
	case *list:
		return (&list{p: new(Strings), check: v.check}).Set(value)
	case *positive:
		return new(positive).Set(value)
	}
	switch get(f).(type) {
	case bool, int, int64, uint, uint64, float64, string, time.Duration:
	default:
		return nil // setting it may do anything
	}
	before := f.Value.String()
	err := f.Value.Set(value)
	if back := f.Value.Set(before); err == nil {
		err = back
	}
	return err
}

// credential is what stands before the host of an address, whether the rest of
// the value is well-formed or not.
var credential = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)?[^,\s]*@`)
})

// show is a value as messages may have it: short, and without a password.
func show(value string) string {
	value = credential().ReplaceAllString(value, "${1}xxxxx@")
	if r := []rune(value); len(r) > 64 {
		value = string(r[:64]) + "…"
	}
	return value
}

// get is the flag's value, nil where it does not tell.
func get(f *flag.Flag) any {
	if g, ok := f.Value.(flag.Getter); ok {
		return g.Get()
	}
	return nil
}
