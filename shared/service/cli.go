package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"core.internal/shared/config"
)

// Command is the command line of a service's program.
type Command struct {
	Name  string // of the program
	About string // one sentence
	// Set has all settings; each verb sees them.
	Set *config.Set
	// Verbs are what the program does; without a verb it does the first.
	Verbs []Verb
}

// Verb is one thing a program does.
type Verb struct {
	Name  string
	Args  string // as shown in the usage: "NAME"
	About string
	Run   func(ctx context.Context, c Call) error
}

// Call is one use of a verb.
type Call struct {
	Args           []string
	Set            *config.Set
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exec is the whole program: args without the program's name. Flags may stand
// before and after the verb. Errors that are the caller's are of type
// [*config.UsageError]; a request for help is [flag.ErrHelp].
func (c Command) Exec(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	c.Set.Usage = func() { c.usage(stdout) }
	if err := c.Set.Parse(args, environ); err != nil {
		return err
	}
	verb, rest := c.Verbs[0], c.Set.Args()
	if len(rest) > 0 {
		found, err := c.verb(rest[0])
		if err != nil {
			return err
		}
		verb, rest = found, rest[1:]
	}
	want := len(strings.Fields(verb.Args))
	switch {
	case len(rest) < want:
		return &config.UsageError{Err: fmt.Errorf("%s %s: want %s", c.Name, verb.Name, verb.Args)}
	case len(rest) > want:
		return &config.UsageError{Err: fmt.Errorf("%s %s: unexpected argument %q", c.Name, verb.Name, rest[want])}
	}
	return verb.Run(ctx, Call{Args: rest, Set: c.Set, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

func (c Command) verb(name string) (Verb, error) {
	var names []string
	for _, v := range c.Verbs {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	if near := config.Suggest(name, names); near != "" {
		return Verb{}, &config.UsageError{Err: fmt.Errorf("%s: unknown verb %q: did you mean %s?", c.Name, name, near)}
	}
	return Verb{}, &config.UsageError{Err: fmt.Errorf("%s: unknown verb %q: want one of %s", c.Name, name, strings.Join(names, ", "))}
}

func (c Command) usage(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s [settings] [verb]\n\nVerbs:\n", c.Name, c.About, c.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, v := range c.Verbs {
		about := v.About
		if i == 0 {
			about += " (without a verb)"
		}
		fmt.Fprintf(t, "  %s\t%s\n", strings.TrimSpace(v.Name+" "+v.Args), about)
	}
	fmt.Fprintf(t, "\nSettings, each also as CORE_… variable or in the file named by --config:\n")
	for _, s := range c.Set.Settings() {
		fmt.Fprintf(t, "  --%s\t%s\n", s.Name, s.Usage)
	}
	// A writer that fails has nobody left to tell.
	_ = t.Flush()
}

// VersionVerb prints the program's version.
func VersionVerb(name string) Verb {
	return Verb{Name: "version", About: "print the version", Run: func(_ context.Context, c Call) error {
		_, err := fmt.Fprintf(c.Stdout, "%s %s\n", name, Version())
		return err
	}}
}

// ConfigVerb prints each setting, its value and where that came from.
func ConfigVerb() Verb {
	return Verb{Name: "config", About: "print each setting and where its value came from", Run: func(_ context.Context, c Call) error {
		t := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SETTING\tVALUE\tFROM")
		for _, s := range c.Set.Settings() {
			fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Value, s.Origin)
		}
		return t.Flush()
	}}
}

// SpecVerb prints the spec with which the program is built.
func SpecVerb(document []byte) Verb {
	return Verb{Name: "spec", About: "print the service's spec", Run: func(_ context.Context, c Call) error {
		_, err := c.Stdout.Write(document)
		return err
	}}
}

// Main runs a program as this process and returns its exit status: 0 when all
// went well, 1 when it failed, 2 when it was called wrongly.
func Main(c Command) int {
	err := c.Exec(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	var usage *config.UsageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%s: %v\nSee %s --help.\n", c.Name, err, c.Name)
		return 2
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
	return 1
}
