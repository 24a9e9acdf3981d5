package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// rule is one thing that is checked.
type rule struct {
	name  string
	about string
	check func(*checker) error
}

// rules lists them in the order in which -list shows them.
func rules() []rule {
	return []rule{
		{"modules", "a module imports only what the table of modules allows", checkModules},
		{"rows", "a package of shared imports only its own row or rows above", checkRows},
		{"mirror", "a runtime package has a counterpart in shared and adds something", checkMirror},
		{"heavy", "heavy libraries are imported in one place each", checkHeavy},
		{"services", "a service that links shared/service links no heavy library", checkServices},
		{"specs", "a service has a service.json, and a go.mod if it has Go files", checkSpecs},
		{"pure", "decisions use no clock, randomness, environment, I/O, goroutine or map order", checkPure},
		{"subjects", "subjects, streams and buckets are named only in events", checkSubjects},
		{"names", "no package is named util, common, helpers, misc, types, base or core", checkNames},
		{"length", "files stay under 400 lines, tests under 600", checkLength},
		{"sleep", "no test sleeps", checkSleep},
		{"fuzz", "the fuzz targets of the tree are those that " + fuzzList + " runs", checkFuzz},
		{"doc", "each package has a doc.go", checkDoc},
		{"main", "main is at most 20 lines, and main.go all that a runtime module has beside packages", checkMain},
		{"state", "no package-level mutable state, no init but in Caddy modules", checkState},
		{"testing", "production code does not import testing", checkTesting},
		{"go.mod", "go.work lists every module, no go.mod replaces", checkModFiles},
		{"diagram", "the diagram in " + diagramFile + " is that of the imports", checkDiagram},
	}
}

// problem is one message.
type problem struct {
	file string
	line int
	rule string
	text string // what is wrong: what to do
}

func (p problem) String() string {
	return fmt.Sprintf("%s:%d: [%s] %s", p.file, p.line, p.rule, p.text)
}

// checker collects what the rules find.
type checker struct {
	*tree
	rule     string
	problems []problem
}

// at reports a problem at a position.
func (c *checker) at(pos token.Pos, format string, args ...any) {
	p := c.fset.Position(pos)
	c.in(p.Filename, p.Line, format, args...)
}

// in reports a problem in a line of a file.
func (c *checker) in(file string, line int, format string, args ...any) {
	c.problems = append(c.problems, problem{file, line, c.rule, fmt.Sprintf(format, args...)})
}

// check applies rules. Where one cannot be checked the problems that others
// found are returned with the error.
func (t *tree) check(chosen []rule) ([]problem, error) {
	c := &checker{tree: t}
	var errs []error
	for _, r := range chosen {
		c.rule = r.name
		if err := r.check(c); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", r.name, err))
		}
	}
	problems := t.exempt(c.problems, chosen)
	slices.SortFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.rule, b.rule), cmp.Compare(a.text, b.text))
	})
	return slices.Compact(problems), errors.Join(errs...)
}

const ignoreMark = "//arch:ignore "

// exempt takes away what comments exempt, and adds comments that exempt nothing.
func (t *tree) exempt(problems []problem, chosen []rule) []problem {
	for _, p := range t.packages {
		for _, f := range p.all() {
			for _, group := range f.ast.Comments {
				for _, comment := range group.List {
					problems = t.ignore(f, comment, problems, chosen)
				}
			}
		}
	}
	return problems
}

func (t *tree) ignore(f *file, comment *ast.Comment, problems []problem, chosen []rule) []problem {
	text, ok := strings.CutPrefix(comment.Text, ignoreMark)
	if !ok {
		return problems
	}
	line := t.fset.Position(comment.Pos()).Line
	name, reason, _ := strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	if !slices.ContainsFunc(rules(), func(r rule) bool { return r.name == name }) || strings.TrimSpace(reason) == "" {
		return append(problems, problem{f.rel, line, "ignore", fmt.Sprintf("%q names no rule or no reason: write %s<rule>: <reason>", comment.Text, ignoreMark)})
	}
	if !slices.ContainsFunc(chosen, func(r rule) bool { return r.name == name }) {
		return problems
	}
	left := slices.DeleteFunc(slices.Clone(problems), func(p problem) bool {
		return p.rule == name && p.file == f.rel && (p.line == line || p.line == line+1)
	})
	if len(left) == len(problems) {
		return append(problems, problem{f.rel, line, "ignore", fmt.Sprintf("nothing breaks rule %s here: remove the comment", name)})
	}
	return left
}
