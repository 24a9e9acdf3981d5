package main

import (
	"go/ast"
	"slices"
	"strings"
)

// impure are imports that decide by what was not passed in, and what to do.
var impure = map[string]string{
	"math/rand": "take the random number as an argument", "math/rand/v2": "take the random number as an argument",
	"crypto/rand": "take the random bytes as an argument", "hash/maphash": "its seed is random: use hash/fnv",
	"github.com/nats-io/nuid": "take the id as an argument",
	"os":                      "take what is read from the environment or a file as an argument", "os/exec": "return an action for the edge to carry out",
	"os/signal": "signals are the edge's", "io/ioutil": "take the content as an argument", "runtime": "take the limit as an argument",
	"log": "return what is to be told", "log/slog": "return what is to be told",
	"net": "return an action for the edge to carry out", "net/http": "return an action for the edge to carry out",
	"golang.org/x/sys/unix": "return an action for the edge to carry out",
}

// clock are the functions of package time that read the clock or wait for it.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// decisions are the packages of the decisions row.
func (t *tree) decisions() []*pkg {
	var all []*pkg
	for _, p := range t.packages {
		if p.module.path != sharedPath || len(p.files) == 0 {
			continue
		}
		if at, _ := row(p.within); at >= 0 && rowNames[at] == "decisions" {
			all = append(all, p)
		}
	}
	return all
}

func checkPure(c *checker) error {
	decisions := c.decisions()
	for _, p := range decisions {
		for _, f := range p.files {
			for _, i := range f.imports {
				if fix, bad := impure[i.path]; bad {
					c.at(i.pos, "a decision imports %s: %s", i.path, fix)
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if from, name, ok := f.selects(n); ok && from == "time" && slices.Contains(clock, name) {
						c.at(n.Pos(), "a decision uses time.%s: take the time as an argument", name)
					}
				case *ast.GoStmt:
					c.at(n.Pos(), "a decision starts a goroutine: return an action for the edge to carry out")
				}
				return true
			})
		}
	}
	return c.checkMapOrder(decisions)
}

// checkMapOrder reports results that depend on the order of a map.
func (c *checker) checkMapOrder(decisions []*pkg) error {
	typed, err := c.types(decisions)
	if err != nil {
		return err
	}
	for _, p := range decisions {
		for _, f := range p.files {
			o := &order{c: c, file: f, typed: typed}
			for _, d := range f.ast.Decls {
				o.declaration(d)
			}
		}
	}
	return nil
}

// order looks for map order in one file.
type order struct {
	c     *checker
	file  *file
	typed typed
}

// declaration looks into a function, or into those that are values of variables.
func (o *order) declaration(d ast.Decl) {
	if fn, ok := d.(*ast.FuncDecl); ok {
		if fn.Body != nil {
			o.function(fn.Body)
		}
		return
	}
	ast.Inspect(d, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncLit); ok {
			o.function(fn.Body)
			return false
		}
		return true
	})
}

func (o *order) function(body *ast.BlockStmt) {
	var parents []ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			parents = parents[:len(parents)-1]
			return true
		}
		switch n := n.(type) {
		case *ast.RangeStmt:
			if _, isCall := n.X.(*ast.CallExpr); (o.typed.isMap(o.c.fset, n.X) || isCall && o.unordered(n.X)) && !o.insensitive(body, n) {
				o.c.at(n.Pos(), "what this loop does depends on the order of a map: range over slices.Sorted(maps.Keys(m)), or sort what it collects")
			}
		case *ast.CallExpr:
			if o.unordered(n) && !o.ordered(parents) {
				o.c.at(n.Pos(), "the order of %s is that of a map: pass it to slices.Sorted or slices.SortedFunc", text(n.Fun))
			}
		}
		parents = append(parents, n)
		return true
	})
}

// unordered reports whether an expression is an iterator in map order.
func (o *order) unordered(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	from, name, ok := o.file.selects(call.Fun)
	return ok && from == "maps" && slices.Contains([]string{"Keys", "Values", "All"}, name)
}

// ordered reports whether the innermost call or loop around an iterator takes
// away its order.
func (o *order) ordered(parents []ast.Node) bool {
	if len(parents) == 0 {
		return false
	}
	switch p := parents[len(parents)-1].(type) {
	case *ast.RangeStmt:
		return true // checked as a loop
	case *ast.CallExpr:
		from, name, ok := o.file.selects(p.Fun)
		return ok && (from == "slices" && strings.HasPrefix(name, "Sorted") || from == "maps" && (name == "Collect" || name == "Insert"))
	}
	return false
}

// text is a short form of a name or a selection.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return text(e.X)
	case *ast.StarExpr:
		return text(e.X)
	case *ast.ParenExpr:
		return text(e.X)
	}
	return ""
}
