package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"

	"core.internal/tools/internal/workspace"
)

// tree is the parsed workspace.
type tree struct {
	root     string
	fset     *token.FileSet
	used     []string // directories that go.work uses, relative to root
	modules  []*module
	packages []*pkg // by import path
}

// module is one go.mod of the tree.
type module struct {
	rel  string // directory relative to the root, with slashes
	path string
	file *modfile.File
}

// pkg is one directory with Go files.
type pkg struct {
	module *module
	path   string // import path
	rel    string // directory relative to the root
	within string // directory relative to its module, "" for the module's own
	name   string
	files  []*file // without tests
	tests  []*file
}

// file is one parsed file.
type file struct {
	rel       string // relative to the root
	ast       *ast.File
	lines     int
	generated bool
	imports   []imported
}

type imported struct {
	path string
	name string // as the file refers to it
	pos  token.Pos
}

func load(dir string) (*tree, error) {
	ws, err := workspace.Find(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{root: ws.Root, fset: token.NewFileSet()}
	for _, m := range ws.Modules {
		t.used = append(t.used, path.Clean(m.Rel))
	}
	if err := t.walk("", nil); err != nil {
		return nil, err
	}
	slices.SortFunc(t.packages, func(a, b *pkg) int { return strings.Compare(a.path, b.path) })
	return t, nil
}

// walk reads a directory, which lies in a module or in none, and those below it.
func (t *tree) walk(rel string, in *module) error {
	entries, err := os.ReadDir(filepath.Join(t.root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "go.mod" {
			if in, err = t.addModule(rel); err != nil {
				return err
			}
		}
	}
	var p *pkg
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() && !skipped(name):
			if err := t.walk(path.Join(rel, name), in); err != nil {
				return err
			}
		case !e.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") && in != nil:
			if p == nil {
				within := strings.TrimPrefix(strings.TrimPrefix(rel, in.rel), "/")
				p = &pkg{module: in, rel: rel, within: within, path: path.Join(in.path, within)}
				t.packages = append(t.packages, p)
			}
			if err := t.addFile(p, path.Join(rel, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func skipped(dir string) bool {
	return strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_") || dir == "testdata" || dir == "node_modules" || dir == "vendor"
}

func (t *tree) addModule(rel string) (*module, error) {
	name := path.Join(rel, "go.mod")
	b, err := os.ReadFile(filepath.Join(t.root, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	f, err := modfile.Parse(name, b, nil)
	if err != nil {
		return nil, err
	}
	m := &module{rel: rel, path: f.Module.Mod.Path, file: f}
	t.modules = append(t.modules, m)
	return m, nil
}

func (t *tree) addFile(p *pkg, rel string) error {
	b, err := os.ReadFile(filepath.Join(t.root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	a, err := parser.ParseFile(t.fset, rel, b, parser.ParseComments)
	if err != nil {
		return err
	}
	f := &file{rel: rel, ast: a, lines: strings.Count(string(b), "\n"), generated: ast.IsGenerated(a)}
	for _, spec := range a.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", rel, spec.Path.Value, err)
		}
		i := imported{path: name, name: assumedName(name), pos: spec.Pos()}
		if spec.Name != nil {
			i.name = spec.Name.Name
		}
		f.imports = append(f.imports, i)
	}
	if strings.HasSuffix(rel, "_test.go") {
		p.tests = append(p.tests, f)
		return nil
	}
	p.files = append(p.files, f)
	p.name = a.Name.Name
	return nil
}

// assumedName is the name of a package as its path suggests it.
func assumedName(importPath string) string {
	name := path.Base(importPath)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(importPath))
	}
	return name
}

// all are a package's files, tests last.
func (p *pkg) all() []*file { return slices.Concat(p.files, p.tests) }

// selects reports whether an expression is the selection of a name from an
// import, as in time.Now, and of which.
func (f *file) selects(e ast.Expr) (importPath, name string, ok bool) {
	s, isSelector := e.(*ast.SelectorExpr)
	if !isSelector {
		return "", "", false
	}
	x, isIdent := s.X.(*ast.Ident)
	if !isIdent || x.Obj != nil {
		return "", "", false
	}
	for _, i := range f.imports {
		if i.name == x.Name {
			return i.path, s.Sel.Name, true
		}
	}
	return "", "", false
}

// moduleOf returns the module of the tree that an import path lies in.
func (t *tree) moduleOf(importPath string) *module {
	var best *module
	for _, m := range t.modules {
		if inside(importPath, m.path) && (best == nil || len(m.path) > len(best.path)) {
			best = m
		}
	}
	return best
}

// inside reports whether a slash-separated path is another or lies below it.
func inside(p, parent string) bool {
	return p == parent || strings.HasPrefix(p, parent+"/")
}
