package main

import (
	"errors"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fuzzList names the fuzz targets that run, one a line: package, target, inputs.
const fuzzList = ".ci/fuzz"

// fuzzTarget is what identifies one: the package as the list writes it, and the
// function.
type fuzzTarget struct{ pkg, name string }

// checkFuzz holds the fuzz targets of the tree and those that run against each
// other: a target that runs nowhere finds nothing.
func checkFuzz(c *checker) error {
	b, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(fuzzList)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listed := map[fuzzTarget]int{}
	for i, line := range slices.Collect(strings.Lines(string(b))) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole { // the shell's read drops it
			c.in(fuzzList, i+1, "%q does not run: end the line", line)
		}
		fields := strings.Fields(line)
		if len(fields) != 3 || !counted(fields[2]) {
			c.in(fuzzList, i+1, "%q is not a target: write package, target and how many inputs it is given, as in ./shared/spec FuzzParse 10000x", line)
			continue
		}
		target := fuzzTarget{fields[0], fields[1]}
		if first := listed[target]; first > 0 {
			c.in(fuzzList, i+1, "%s of %s is listed in line %d: remove one of the two", target.name, target.pkg, first)
			continue
		}
		listed[target] = i + 1
	}
	for _, p := range c.packages {
		for _, f := range p.tests {
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !fuzzes(fn) {
					continue
				}
				target := fuzzTarget{"./" + p.rel, fn.Name.Name}
				if listed[target] == 0 {
					c.at(fn.Pos(), "%s does not run: add %q to %s", target.name, target.pkg+" "+target.name+" 10000x", fuzzList)
				}
				delete(listed, target)
			}
		}
	}
	for target, line := range listed { // problems are sorted
		c.in(fuzzList, line, "%s has no %s: remove the line, or write the name that it has now", target.pkg, target.name)
	}
	return nil
}

// counted reports whether a bound is one on inputs, as in 10000x. One on time makes
// a fuzzer fail at its own deadline now and then.
func counted(bound string) bool {
	digits, ok := strings.CutSuffix(bound, "x")
	n, err := strconv.Atoi(digits)
	return ok && err == nil && n > 0
}

// fuzzes reports whether go test takes a function for a fuzz target.
func fuzzes(fn *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Fuzz")
	if !ok || fn.Recv != nil || rest != "" && rest[0] >= 'a' && rest[0] <= 'z' || fn.Type.Params.NumFields() != 1 {
		return false
	}
	pointer, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	switch x := pointer.X.(type) {
	case *ast.SelectorExpr:
		return x.Sel.Name == "F"
	case *ast.Ident:
		return x.Name == "F"
	}
	return false
}
