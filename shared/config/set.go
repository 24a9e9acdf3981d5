package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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

// Arg returns one of [Set.Args], empty where there is none.
func (s *Set) Arg(i int) string {
	if i < 0 || i >= len(s.positional) {
		return ""
	}
	return s.positional[i]
}

// NArg is the number of [Set.Args].
func (s *Set) NArg() int { return len(s.positional) }

// Parse resolves every setting. Where help was asked for it calls Usage and
// returns [flag.ErrHelp]; all other errors are a [*UsageError]. A set is parsed
// once.
func (s *Set) Parse(args, environ []string) error {
	positional, err := s.fromArgs(args)
	if errors.Is(err, flag.ErrHelp) {
		s.Usage()
		return err
	}
	if err = errors.Join(err, s.fromEnviron(environ)); err != nil {
		return &UsageError{err}
	}
	s.positional = positional
	// What is set by now, ff leaves alone.
	file := s.Lookup(fileFlag).Value.String()
	err = ff.Parse(s.FlagSet, nil, ff.WithConfigFile(file), ff.WithConfigFileParser(func(r io.Reader, set func(name, value string) error) error {
		return s.fromFile(file, r, set)
	}))
	var path *fs.PathError
	if errors.As(err, &path) {
		err = fmt.Errorf("read settings from %s (%s): %w", file, s.origins[fileFlag], path.Err)
	}
	if err != nil {
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

// fromArgs applies the flags and returns the other arguments. A flag may stand
// behind one of those: the flag package would stop at the first.
func (s *Set) fromArgs(args []string) (positional []string, err error) {
	var errs []error
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(positional, args[i+1:]...), errors.Join(errs...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		name, value, assigned := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		f := s.Lookup(name)
		if f == nil {
			if name == "h" || name == "help" {
				return nil, flag.ErrHelp
			}
			return nil, s.unknown(name)
		}
		if !assigned {
			if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
				value = "true"
			} else if i++; i < len(args) {
				value = args[i]
			} else {
				return nil, fmt.Errorf("flag --%s: needs a value: %s", name, f.Usage)
			}
		}
		if err := s.Set(name, value); err != nil {
			errs = append(errs, fmt.Errorf("flag --%s=%q: %s", name, show(value), explain(f, err)))
		}
		s.origins[name] = Origin{FromFlag, "--" + name}
	}
	return positional, errors.Join(errs...)
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
			errs = append(errs, fmt.Errorf("variable %s=%q: %s", variable, show(value), explain(f, err)))
			return
		}
		s.origins[f.Name] = Origin{FromEnv, variable}
	})
	return errors.Join(errs...)
}
