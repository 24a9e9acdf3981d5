package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// eventsPath is the only package that builds subjects and bucket names.
const eventsPath = sharedPath + "/events"

// checkSubjects looks for the words that events declares in the string literals
// of other packages.
func checkSubjects(c *checker) error {
	words := c.busWords()
	for _, p := range c.packages {
		if inside(p.path, eventsPath) || p.module.path == own+"tools" {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				s, err := strconv.Unquote(literal.Value)
				if err != nil {
					return true
				}
				if word := busWord(s, words); word != "" {
					c.at(literal.Pos(), "%q is a name on the bus: use the constants and functions of shared/events", word)
				}
				return true
			})
		}
	}
	return nil
}

// reserved are names of JetStream itself.
var reserved = []string{"$JS.", "$KV.", "$O.", "_INBOX"}

// busWords are the string constants of events that name subjects, streams and
// buckets.
func (t *tree) busWords() []string {
	var words []string
	for _, p := range t.packages {
		if p.path != eventsPath {
			continue
		}
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.CONST {
					continue
				}
				for _, s := range g.Specs {
					for _, v := range s.(*ast.ValueSpec).Values {
						literal, ok := v.(*ast.BasicLit)
						if !ok || literal.Kind != token.STRING {
							continue
						}
						if s, err := strconv.Unquote(literal.Value); err == nil && (strings.HasPrefix(s, "core.") || strings.HasPrefix(s, "core_") || strings.HasPrefix(s, "CORE_")) {
							words = append(words, s)
						}
					}
				}
			}
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// busWord returns the name on the bus that a text is or begins with.
func busWord(s string, words []string) string {
	for _, w := range words {
		if s == w || strings.HasPrefix(w, "core.") && strings.HasPrefix(s, w+".") || !strings.HasPrefix(w, "core.") && s == "KV_"+w {
			return w
		}
	}
	for _, w := range reserved {
		if strings.HasPrefix(s, w) {
			return w
		}
	}
	return ""
}

// vague are names that say nothing of what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "base", "core"}

func checkNames(c *checker) error {
	for _, p := range c.packages {
		files := p.all()
		dir := p.rel[strings.LastIndex(p.rel, "/")+1:]
		for _, name := range []string{files[0].ast.Name.Name, dir} {
			if slices.Contains(vague, strings.TrimSuffix(name, "_test")) {
				c.at(files[0].ast.Package, "a package named %s says nothing: name it after what it provides", name)
				break
			}
		}
	}
	return nil
}

// Lines a file must stay under.
const (
	maxLines     = 400
	maxTestLines = 600
)

func checkLength(c *checker) error {
	for _, p := range c.packages {
		for _, f := range p.all() {
			limit, of := maxLines, "a file"
			if strings.HasSuffix(f.rel, "_test.go") {
				limit, of = maxTestLines, "a test"
			}
			if f.lines >= limit && !f.generated {
				c.in(f.rel, f.lines, "%d lines: %s stays under %d: split it by noun or verb", f.lines, of, limit)
			}
		}
	}
	return nil
}

// checkSleep looks at tests and at the packages made for them.
func checkSleep(c *checker) error {
	for _, p := range c.packages {
		files := p.tests
		if forTests(p) {
			files = p.all()
		}
		for _, f := range files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if from, name, ok := f.selects(s); ok && from == "time" && name == "Sleep" {
					c.at(s.Pos(), "a test sleeps: wait for a fact, script the ticks or use testing/synctest")
				}
				return true
			})
		}
	}
	return nil
}

// forTests reports whether a package ships for tests: one below testutil or
// harness, or whose name ends in "test".
func forTests(p *pkg) bool {
	for part := range strings.SplitSeq(p.within, "/") {
		if part == "testutil" || part == "harness" || strings.HasSuffix(part, "test") {
			return true
		}
	}
	return false
}

func checkTesting(c *checker) error {
	for _, p := range c.packages {
		if forTests(p) {
			continue
		}
		for _, f := range p.files {
			for _, i := range f.imports {
				if inside(i.path, "testing") {
					c.at(i.pos, "production code imports %s: move this to a test, or to a package for tests", i.path)
					continue
				}
				for _, other := range c.packages {
					if other.path == i.path && forTests(other) && !inside(p.path, own+"tools") {
						c.at(i.pos, "production code imports %s, which is for tests: move what it needs elsewhere", i.path)
					}
				}
			}
		}
	}
	return nil
}
