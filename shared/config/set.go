package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3"
)

// envPrefix begins the name of every variable.
const envPrefix = "CORE_"

// fileFlag names the setting that names the file.
const fileFlag = "config"

// UsageError says that somebody called a program wrongly; programs exit with 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Kind is a kind of [Origin].
type Kind string

// Kinds of origin.
const (
	FromDefault Kind = "default"
	FromFile    Kind = "file"
	FromEnv     Kind = "env"
	FromFlag    Kind = "flag"
)

// Origin says where a value came from.
type Origin struct {
	Kind  Kind   `json:"kind"`
	Where string `json:"where,omitempty"` // "--node", "CORE_NODE" or "file:line"
}

func (o Origin) String() string {
	if o.Where == "" {
		return string(o.Kind)
	}
	return string(o.Kind) + " " + o.Where
}

// Setting is one setting as it was resolved.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Usage   string `json:"usage"`
	Origin  Origin `json:"origin"`
}

// Set is a set of settings.
type Set struct {
	*flag.FlagSet
	positional []string
	origins    map[string]Origin
}

// New returns an empty set with the setting that names a file. The flag package
// prints nothing: errors are returned.
func New(name string) *Set {
	s := &Set{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), origins: map[string]Origin{}}
	s.SetOutput(io.Discard)
	s.Usage = func() {}
	s.String(fileFlag, "", "JSON file with settings")
	return s
}

// Variable is the name of the variable that gives a setting.
func Variable(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// Args returns the arguments that are not flags.
func (s *Set) Args() []string { return s.positional }

// Parse resolves every setting. It returns [flag.ErrHelp] where help was asked
// for.
func (s *Set) Parse(args, environ []string) error {
	flags, positional, err := s.permute(args)
	if err != nil {
		return &UsageError{err}
	}
	s.positional = positional
	if err := s.FlagSet.Parse(flags); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return &UsageError{s.clarify(err)}
	}
	s.Visit(func(f *flag.Flag) { s.origins[f.Name] = Origin{FromFlag, "--" + f.Name} })
	if err := s.fromEnviron(environ); err != nil {
		return &UsageError{err}
	}
	file := s.Lookup(fileFlag).Value.String()
	err = ff.Parse(s.FlagSet, nil, ff.WithConfigFile(file), ff.WithConfigFileParser(func(r io.Reader, set func(name, value string) error) error {
		return s.fromFile(file, r, set)
	}))
	if err != nil {
		if file != "" && !strings.Contains(err.Error(), file) {
			err = fmt.Errorf("%s: %w", file, err)
		}
		return &UsageError{err}
	}
	return nil
}

// Settings lists every setting, sorted by name.
func (s *Set) Settings() []Setting {
	var list []Setting
	s.VisitAll(func(f *flag.Flag) {
		origin, ok := s.origins[f.Name]
		if !ok {
			origin = Origin{Kind: FromDefault}
		}
		list = append(list, Setting{Name: f.Name, Value: f.Value.String(), Default: f.DefValue, Usage: f.Usage, Origin: origin})
	})
	return list
}

// permute separates flags from other arguments, so that a flag may stand behind
// one: the flag package stops at the first argument that is none.
func (s *Set) permute(args []string) (flags, positional []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return flags, append(positional, args[i+1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		flags = append(flags, arg)
		name, _, assigned := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		f := s.Lookup(name)
		if f == nil {
			if name == "h" || name == "help" {
				continue
			}
			return nil, nil, s.unknown(name)
		}
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); assigned || ok && b.IsBoolFlag() {
			continue
		}
		if i+1 == len(args) {
			return nil, nil, fmt.Errorf("flag --%s: needs a value: %s", name, f.Usage)
		}
		i++
		flags = append(flags, args[i])
	}
	return flags, positional, nil
}

func (s *Set) unknown(name string) error {
	if near := Suggest(name, s.names()); near != "" {
		return fmt.Errorf("unknown flag --%s: did you mean --%s?", name, near)
	}
	return fmt.Errorf("unknown flag --%s: see --help", name)
}

func (s *Set) names() []string {
	var names []string
	s.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// clarify rewrites the flag package's "invalid value … for flag -x: …".
func (s *Set) clarify(err error) error {
	text := strings.Replace(err.Error(), " for flag -", " for flag --", 1)
	if name, _, ok := strings.Cut(after(text, " for flag --"), ":"); ok {
		if f := s.Lookup(name); f != nil {
			return fmt.Errorf("%s: want %s", text, expectation(f))
		}
	}
	return errors.New(text)
}

func after(s, sep string) string {
	_, rest, _ := strings.Cut(s, sep)
	return rest
}

// fromEnviron applies the variables of settings that no flag gave.
func (s *Set) fromEnviron(environ []string) error {
	values := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, envPrefix) {
			values[name] = value
		}
	}
	var errs []error
	s.VisitAll(func(f *flag.Flag) {
		variable := Variable(f.Name)
		value, ok := values[variable]
		if _, given := s.origins[f.Name]; !ok || given {
			return
		}
		if err := s.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("variable %s=%q: %w: want %s", variable, value, err, expectation(f)))
			return
		}
		s.origins[f.Name] = Origin{FromEnv, variable}
	})
	return errors.Join(errs...)
}

// expectation says in words what a flag's value must look like.
func expectation(f *flag.Flag) string {
	g, ok := f.Value.(flag.Getter)
	if !ok {
		return f.Usage
	}
	switch fmt.Sprintf("%T", g.Get()) {
	case "bool":
		return "true or false"
	case "int", "int64", "uint", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	case "time.Duration":
		return `a duration, as in "1.5s" or "2m"`
	}
	return f.Usage
}

// Strings is a list of texts: a flag given several times, a comma-separated
// variable, or a JSON array. The first value replaces the default.
type Strings []string

// list is the flag behind [Strings].
type list struct {
	p   *Strings
	set bool
}

func (l *list) String() string {
	if l.p == nil {
		return ""
	}
	return strings.Join(*l.p, ",")
}

func (l *list) Set(text string) error {
	var values []string
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	if !l.set {
		*l.p, l.set = nil, true
	}
	*l.p = slices.Concat(*l.p, values)
	return nil
}

// StringsVar adds a setting that may be given several times.
func (s *Set) StringsVar(p *Strings, name string, value Strings, usage string) {
	*p = value
	s.Var(&list{p: p}, name, usage)
}
