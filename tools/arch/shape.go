package main

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

// checkDoc wants one place where a package is explained.
func checkDoc(c *checker) error {
	for _, p := range c.packages {
		if len(p.files) == 0 {
			continue
		}
		var with []string
		for _, f := range p.files {
			if f.ast.Doc != nil {
				with = append(with, path.Base(f.rel))
			}
		}
		switch {
		case slices.Contains(with, "doc.go"), p.name == "main" && slices.Contains(with, "main.go"):
		case p.name == "main":
			c.at(p.files[0].ast.Package, "command %s is not explained: say what it does in a comment on the package clause of main.go or doc.go", p.rel)
		default:
			c.at(p.files[0].ast.Package, "package %s has no doc.go: say there what it provides, usage, concurrency, testing and sources", p.rel)
		}
	}
	return nil
}

// maxMain is how long the main function may be.
const maxMain = 20

// bare are the modules whose own package is main.go and nothing else.
var bare = []string{"launcher", "busd", "caddyd", "procd", "pipelined"}

func checkMain(c *checker) error {
	for _, p := range c.packages {
		if p.name != "main" {
			continue
		}
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Recv != nil || fn.Name.Name != "main" {
					continue
				}
				if n := c.fset.Position(fn.End()).Line - c.fset.Position(fn.Pos()).Line + 1; n > maxMain {
					c.at(fn.Pos(), "main has %d lines: at most %d, the program is a function that main calls", n, maxMain)
				}
			}
			if base := path.Base(f.rel); p.within == "" && slices.Contains(bare, p.module.rel) && base != "main.go" {
				c.at(f.ast.Package, "%s has main.go and packages, not %s: move it to a package named as its counterpart in shared", p.module.rel, base)
			}
		}
	}
	return nil
}

// checkModFiles holds go.work and the go.mod files against the tree.
func checkModFiles(c *checker) error {
	for _, m := range c.modules {
		name := path.Join(m.rel, "go.mod")
		if !slices.Contains(c.used, m.rel) {
			c.in(name, 1, "go.work does not list module %s: run go work use ./%s", m.path, m.rel)
		}
		if want := own + m.rel; m.path != want {
			c.in(name, m.file.Module.Syntax.Start.Line, "module %s lies in %s: name it %s", m.path, m.rel, want)
		}
		for _, r := range m.file.Replace {
			c.in(name, r.Syntax.Start.Line, "replace of %s: it breaks go install module/cmd@version; put a versioned replace into go.work", r.Old.Path)
		}
		for _, r := range m.file.Require {
			if strings.HasPrefix(r.Mod.Path, own) && c.moduleOf(r.Mod.Path) == nil {
				c.in(name, r.Syntax.Start.Line, "requires %s, which the tree does not have: run go run ./tools/tidy", r.Mod.Path)
			}
		}
	}
	return nil
}
