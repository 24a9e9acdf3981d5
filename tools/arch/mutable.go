package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkState looks for package-level variables that change, and for init.
//
// A variable changes where something is assigned to it or to a part of it, where
// its address is taken, or where its type has nothing but state.
func checkState(c *checker) error {
	for _, p := range c.packages {
		vars := map[string]*ast.ValueSpec{}
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" && !inside(p.path, sharedPath+"/caddy") {
						c.at(d.Pos(), "init runs behind everybody's back: call a function from where its effect is wanted")
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						c.declared(f, d, vars)
					}
				}
			}
		}
		for _, f := range p.files {
			m := &mutations{c: c, file: f, vars: vars}
			ast.Inspect(f.ast, m.look)
		}
	}
	return nil
}

// declared notes the variables of a declaration and reports those whose value
// can only be state.
func (c *checker) declared(f *file, d *ast.GenDecl, vars map[string]*ast.ValueSpec) {
	for _, s := range d.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range spec.Names {
			if name.Name == "_" {
				continue
			}
			vars[name.Name] = spec
			if embedded(d, spec) {
				continue
			}
			switch {
			case len(spec.Values) == 0:
				c.at(name.Pos(), "%s has no value, so it is there to be changed: make it a field of what changes it", name.Name)
			case i < len(spec.Values) && stateful(f, spec.Values[i]):
				c.at(name.Pos(), "%s is state that every user of the package shares: make it a field", name.Name)
			}
		}
	}
}

// embedded reports whether the go command gives a variable its value.
func embedded(d *ast.GenDecl, spec *ast.ValueSpec) bool {
	for _, group := range []*ast.CommentGroup{d.Doc, spec.Doc} {
		if group == nil {
			continue
		}
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// stateful reports whether a value makes sense only where it changes.
func stateful(f *file, e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		if name := text(e.Fun); name == "make" || name == "new" {
			return true
		}
		from, name, ok := f.selects(e.Fun)
		return ok && (from == "github.com/prometheus/client_golang/prometheus" && strings.HasPrefix(name, "New") && name != "NewDesc" ||
			inside(from, "github.com/prometheus/client_golang/prometheus/promauto") ||
			slices.Contains([]string{"bytes.NewBuffer", "list.New", "http.NewServeMux", "rand.New"}, text(e.Fun)))
	case *ast.CompositeLit:
		from, name, ok := f.selects(e.Type)
		return ok && (from == "sync" && name != "Pool" || from == "sync/atomic") // what a pool has is nobody's
	case *ast.UnaryExpr:
		return e.Op == token.AND && stateful(f, e.X)
	}
	return false
}

// mutations looks for changes in one file.
type mutations struct {
	c    *checker
	file *file
	vars map[string]*ast.ValueSpec
}

func (m *mutations) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			return true
		}
		for _, left := range n.Lhs {
			m.change(left, "assigned to")
		}
	case *ast.IncDecStmt:
		m.change(n.X, "assigned to")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if e != nil {
					m.change(e, "assigned to")
				}
			}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			m.change(n.X, "given away by its address")
		}
	case *ast.CallExpr:
		if name := text(n.Fun); (name == "delete" || name == "clear") && len(n.Args) > 0 {
			m.change(n.Args[0], "emptied")
		}
	}
	return true
}

// change reports a change of a package-level variable, of this package or of an
// imported one of the tree.
func (m *mutations) change(e ast.Expr, how string) {
	root := rootOf(e)
	if root == nil {
		return
	}
	if m.packageLevel(root) {
		m.c.at(e.Pos(), "%s is package-level and %s: make it a field, or a local variable", root.Name, how)
		return
	}
	for at := e; ; {
		if from, name, ok := m.file.selects(at); ok {
			if ast.IsExported(name) && strings.HasPrefix(from, own) && how != "given away by its address" {
				m.c.at(e.Pos(), "%s.%s is another package's and %s: pass the value to what needs it", root.Name, name, how)
			}
			return
		}
		switch x := at.(type) {
		case *ast.SelectorExpr:
			at = x.X
		case *ast.IndexExpr:
			at = x.X
		case *ast.StarExpr:
			at = x.X
		case *ast.ParenExpr:
			at = x.X
		default:
			return
		}
	}
}

// packageLevel reports whether a name is a package-level variable here, and not
// something in between.
func (m *mutations) packageLevel(id *ast.Ident) bool {
	spec, ok := m.vars[id.Name]
	if !ok {
		return false
	}
	if id.Obj == nil { // declared in another file of the package, or by an import
		return !slices.ContainsFunc(m.file.imports, func(i imported) bool { return i.name == id.Name })
	}
	return id.Obj.Decl == spec
}
