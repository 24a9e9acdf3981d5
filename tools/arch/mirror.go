package main

import (
	"go/ast"
	"slices"
	"strings"
)

// direct are the packages of shared that a daemon uses as they are. Services
// wrap them.
var direct = []string{"config", "log", "dep", "events", "state"}

// checkMirror holds the packages of runtime modules against those of shared.
func checkMirror(c *checker) error {
	for _, p := range c.packages {
		top, _, _ := strings.Cut(p.module.rel, "/")
		if top == "shared" || top == "tools" || p.within == "" || len(p.files) == 0 || !declares(p) {
			continue
		}
		pos := p.files[0].ast.Package
		counterpart := sharedPath + "/" + p.within
		if !slices.ContainsFunc(c.packages, func(other *pkg) bool { return other.path == counterpart }) {
			c.at(pos, "package %s has no counterpart shared/%s: give it the name of the package of shared that it composes, or move it there", p.rel, p.within)
			continue
		}
		if top == "services" {
			continue
		}
		if slices.Contains(direct, p.within) {
			c.at(pos, "package %s mirrors what is used directly: use shared/%s where it is needed", p.rel, p.within)
			continue
		}
		if hollow(p) {
			c.at(pos, "package %s only passes on: use shared/%s directly, or put here what is %s's own", p.rel, p.within, p.module.rel)
		}
	}
	return nil
}

// declares reports whether a package has anything but tests and what explains
// them.
func declares(p *pkg) bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return len(f.ast.Decls) > 0 })
}

// hollow reports whether a package has nothing but other names for what it
// imports.
func hollow(p *pkg) bool {
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Body != nil && !forwards(d.Body) {
					return false
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if !renames(f, s) {
						return false
					}
				}
			}
		}
	}
	return true
}

// forwards reports whether a body only calls something with its own parameters.
func forwards(body *ast.BlockStmt) bool {
	if len(body.List) != 1 {
		return len(body.List) == 0
	}
	var e ast.Expr
	switch s := body.List[0].(type) {
	case *ast.ReturnStmt:
		if len(s.Results) != 1 {
			return false
		}
		e = s.Results[0]
	case *ast.ExprStmt:
		e = s.X
	}
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	for _, arg := range call.Args {
		if _, ok := arg.(*ast.Ident); !ok {
			return false
		}
	}
	return true
}

func renames(f *file, s ast.Spec) bool {
	switch s := s.(type) {
	case *ast.ImportSpec:
		return true
	case *ast.TypeSpec:
		return s.Assign.IsValid()
	case *ast.ValueSpec:
		for _, v := range s.Values {
			if _, _, ok := f.selects(v); !ok {
				return false
			}
		}
		return len(s.Values) > 0
	}
	return false
}
