package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	var found *problemsError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &found):
		fmt.Fprintln(os.Stderr, "arch:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "arch:", err)
		os.Exit(2)
	}
}

// problemsError says how many problems were printed.
type problemsError struct{ n int }

func (e *problemsError) Error() string {
	if e.n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", e.n)
}

func run(args []string, stdout, stderr io.Writer) error {
	set := flag.NewFlagSet("arch", flag.ContinueOnError)
	set.SetOutput(stderr)
	only := set.String("rules", "", "comma-separated rules to check; all if empty")
	list := set.Bool("list", false, "list the rules")
	diagram := set.Bool("diagram", false, "print the diagram of modules and rows")
	update := set.Bool("update", false, "put the diagram into "+diagramFile)
	if err := set.Parse(args); err != nil {
		return err
	}
	if *list {
		for _, r := range rules() {
			fmt.Fprintf(stdout, "%-10s %s\n", r.name, r.about)
		}
		return nil
	}
	dir := "."
	if set.NArg() > 0 {
		dir = set.Arg(0)
	}
	tree, err := load(dir)
	if err != nil {
		return err
	}
	switch {
	case *diagram:
		_, err := io.WriteString(stdout, tree.diagram())
		return err
	case *update:
		return tree.updateDiagram()
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	problems, err := tree.check(chosen)
	for _, p := range problems {
		fmt.Fprintln(stdout, p)
	}
	if err == nil && len(problems) > 0 {
		return &problemsError{len(problems)}
	}
	return err
}

// choose returns the rules with the given names, in the order of the table.
func choose(names string) ([]rule, error) {
	all := rules()
	if names == "" {
		return all, nil
	}
	wanted := strings.Split(names, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(r rule) bool { return r.name == name }) {
			return nil, fmt.Errorf("unknown rule %q: arch -list shows them", name)
		}
	}
	return slices.DeleteFunc(all, func(r rule) bool { return !slices.Contains(wanted, r.name) }), nil
}
