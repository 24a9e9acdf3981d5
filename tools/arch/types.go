package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"

	"golang.org/x/tools/go/packages"
)

// typed has the kinds of expressions in the decision packages, by where they
// stand.
type typed map[place]kind

type place struct {
	file   string // relative to the root
	offset int
	end    int
}

type kind int

const (
	isMap kind = iota + 1
	isInteger
)

func (t typed) at(fset *token.FileSet, e ast.Expr) kind {
	p, end := fset.Position(e.Pos()), fset.Position(e.End())
	return t[place{p.Filename, p.Offset, end.Offset}]
}

func (t typed) isMap(fset *token.FileSet, e ast.Expr) bool { return t.at(fset, e) == isMap }

func (t typed) isInteger(fset *token.FileSet, e ast.Expr) bool { return t.at(fset, e) == isInteger }

// types loads packages with their types.
func (t *tree) types(of []*pkg) (typed, error) {
	if len(of) == 0 {
		return nil, nil
	}
	config := &packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
		Dir: t.root,
	}
	var patterns []string
	for _, p := range of {
		patterns = append(patterns, "./"+p.rel)
	}
	loaded, err := packages.Load(config, patterns...)
	if err != nil {
		return nil, err
	}
	all := typed{}
	for _, p := range loaded {
		for _, e := range p.Errors {
			if e.Kind == packages.TypeError || e.Kind == packages.ParseError {
				return nil, fmt.Errorf("package %s does not compile: %s", p.PkgPath, e.Msg)
			}
			err = fmt.Errorf("package %s cannot be loaded: %s", p.PkgPath, e.Msg)
		}
		if err != nil {
			return nil, err
		}
		for expr, value := range p.TypesInfo.Types {
			if value.Type == nil {
				continue
			}
			var k kind
			switch u := types.Default(value.Type).Underlying().(type) {
			case *types.Map:
				k = isMap
			case *types.Basic:
				if u.Info()&types.IsInteger == 0 {
					continue
				}
				k = isInteger
			default:
				continue
			}
			at, end := p.Fset.Position(expr.Pos()), p.Fset.Position(expr.End())
			rel, err := filepath.Rel(t.root, at.Filename)
			if err != nil {
				continue
			}
			all[place{filepath.ToSlash(rel), at.Offset, end.Offset}] = k
		}
	}
	return all, nil
}
