package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// insensitive reports whether a loop over a map has the same effect in any
// order. It knows the statements of which that is certain; what it does not know
// is not certain.
func (o *order) insensitive(function *ast.BlockStmt, loop *ast.RangeStmt) bool {
	if loop.Key == nil && loop.Value == nil {
		return true
	}
	if loop.Tok == token.ASSIGN {
		return false // the variables have the last element afterwards
	}
	l := &mapLoop{order: o, function: function, loop: loop, locals: map[string]bool{}, set: map[string]string{}}
	for _, e := range []ast.Expr{loop.Key, loop.Value} {
		if id, ok := e.(*ast.Ident); ok {
			l.locals[id.Name] = true
		}
	}
	return l.block(loop.Body.List)
}

// mapLoop is one loop over a map.
type mapLoop struct {
	*order
	function *ast.BlockStmt
	loop     *ast.RangeStmt
	locals   map[string]bool   // declared in the loop
	set      map[string]string // variables that the loop sets, and to which constant
	returned string            // what it returns, where it returns a constant
}

func (l *mapLoop) block(list []ast.Stmt) bool {
	for _, s := range list {
		if !l.statement(s) {
			return false
		}
	}
	return true
}

func (l *mapLoop) statement(s ast.Stmt) bool {
	switch s := s.(type) {
	case nil, *ast.EmptyStmt:
		return true
	case *ast.BlockStmt:
		return l.block(s.List)
	case *ast.IfStmt:
		return l.statement(s.Init) && l.block(s.Body.List) && l.statement(s.Else)
	case *ast.ForStmt:
		return l.statement(s.Init) && l.statement(s.Post) && l.block(s.Body.List)
	case *ast.RangeStmt:
		for _, e := range []ast.Expr{s.Key, s.Value} {
			if id, ok := e.(*ast.Ident); ok && s.Tok == token.DEFINE {
				l.locals[id.Name] = true
			}
		}
		return l.block(s.Body.List)
	case *ast.SwitchStmt:
		return l.statement(s.Init) && l.block(s.Body.List)
	case *ast.CaseClause:
		return l.block(s.Body)
	case *ast.BranchStmt:
		return s.Tok == token.CONTINUE
	case *ast.DeclStmt:
		return l.declare(s)
	case *ast.IncDecStmt:
		return true // adding up integers knows no order
	case *ast.ReturnStmt:
		return l.returns(s)
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return ok && text(call.Fun) == "delete" && len(call.Args) == 2 && l.keyed(call.Args[1])
	case *ast.AssignStmt:
		return l.assign(s)
	}
	return false
}

func (l *mapLoop) declare(s *ast.DeclStmt) bool {
	d, ok := s.Decl.(*ast.GenDecl)
	if !ok {
		return false
	}
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			return false
		}
		for _, name := range v.Names {
			l.locals[name.Name] = true
		}
	}
	return true
}

// returns allows one constant to be returned, whichever element leads to it.
func (l *mapLoop) returns(s *ast.ReturnStmt) bool {
	words := []string{"return"}
	for _, e := range s.Results {
		switch e := e.(type) {
		case *ast.BasicLit:
			words = append(words, e.Value)
		case *ast.Ident:
			if e.Name != "true" && e.Name != "false" && e.Name != "nil" {
				return false
			}
			words = append(words, e.Name)
		default:
			return false
		}
	}
	returned := strings.Join(words, " ")
	if l.returned == "" {
		l.returned = returned
	}
	return l.returned == returned
}

func (l *mapLoop) assign(s *ast.AssignStmt) bool {
	if s.Tok == token.DEFINE {
		for _, e := range s.Lhs {
			l.locals[text(e)] = true
		}
		return true
	}
	for i, left := range s.Lhs {
		if !l.assignsTo(s, left, i) {
			return false
		}
	}
	return true
}

func (l *mapLoop) assignsTo(s *ast.AssignStmt, left ast.Expr, i int) bool {
	root := rootOf(left)
	if text(left) == "_" || root != nil && l.locals[root.Name] {
		return true // gone with the iteration
	}
	if s.Tok != token.ASSIGN {
		// Sums and unions of integers know no order; strings and floats do.
		return slices.Contains([]token.Token{token.ADD_ASSIGN, token.OR_ASSIGN, token.AND_ASSIGN, token.XOR_ASSIGN}, s.Tok) && l.typed.isInteger(l.c.fset, left)
	}
	if index, ok := left.(*ast.IndexExpr); ok {
		return l.typed.isMap(l.c.fset, index.X) && l.keyed(index.Index)
	}
	if len(s.Lhs) != len(s.Rhs) {
		return false
	}
	switch right := s.Rhs[i].(type) {
	case *ast.Ident:
		return (right.Name == "true" || right.Name == "false") && l.sets(left, right.Name)
	case *ast.BasicLit:
		return l.sets(left, right.Value)
	case *ast.CallExpr:
		switch text(right.Fun) {
		case "append":
			return len(right.Args) > 0 && text(right.Args[0]) == text(left) && l.sortedLater(text(left))
		case "min", "max":
			return slices.ContainsFunc(right.Args, func(e ast.Expr) bool { return text(e) == text(left) })
		}
	}
	return false
}

// sets allows a variable to be set to one constant.
func (l *mapLoop) sets(left ast.Expr, value string) bool {
	name := text(left)
	if before, known := l.set[name]; known {
		return before == value
	}
	l.set[name] = value
	return name != ""
}

// keyed reports whether an expression is the loop's key, which is another one in
// each iteration.
func (l *mapLoop) keyed(e ast.Expr) bool {
	key, ok := l.loop.Key.(*ast.Ident)
	if call, isCall := e.(*ast.CallExpr); isCall && len(call.Args) == 1 {
		e = call.Args[0] // a conversion keeps keys apart
	}
	return ok && key.Name != "_" && text(e) == key.Name
}

// sortedLater reports whether the function sorts a slice after the loop.
func (l *mapLoop) sortedLater(name string) bool {
	found := false
	ast.Inspect(l.function, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || call.Pos() < l.loop.End() || len(call.Args) == 0 || text(call.Args[0]) != name {
			return true
		}
		from, fn, ok := l.file.selects(call.Fun)
		found = found || ok && (from == "slices" && strings.HasPrefix(fn, "Sort") || from == "sort")
		return true
	})
	return found
}

// rootOf is the variable that an expression selects or indexes.
func rootOf(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return rootOf(e.X)
	case *ast.IndexExpr:
		return rootOf(e.X)
	case *ast.StarExpr:
		return rootOf(e.X)
	case *ast.ParenExpr:
		return rootOf(e.X)
	}
	return nil
}
