package main

import (
	"path"
	"slices"
	"strings"

	"core.internal/tools/internal/workspace"
)

// sharedPath is the module that holds all contracts.
const sharedPath = workspace.Prefix + "shared"

// own is the prefix of every import path of the tree.
const own = workspace.Prefix

// mayImport says which modules a module may import beside itself. Keys are the
// first element of a module's directory.
var mayImport = map[string][]string{
	"launcher":  {"shared"},
	"busd":      {"shared"},
	"caddyd":    {"shared"},
	"procd":     {"shared"},
	"pipelined": {"shared"},
	"shared":    {},
	"services":  {"shared"},
	"tools":     {"shared"},
	"ci":        {"*"},
}

func checkModules(c *checker) error {
	for _, p := range c.packages {
		top, _, _ := strings.Cut(p.module.rel, "/")
		allowed, known := mayImport[top]
		if !known {
			c.in(path.Join(p.module.rel, "go.mod"), 1, "module %s is not in the table of modules: add it to the architecture and to mayImport in tools/arch", p.module.path)
			continue
		}
		for _, f := range p.all() {
			for _, i := range f.imports {
				if !strings.HasPrefix(i.path, own) {
					continue
				}
				to := c.moduleOf(i.path)
				switch {
				case to == nil:
					c.at(i.pos, "%s is in no module of the tree: correct the path", i.path)
				case to == p.module || slices.Contains(allowed, "*") || slices.Contains(allowed, to.rel):
				case len(allowed) == 0:
					c.at(i.pos, "%s may import only itself, not %s: what both need belongs in shared", top, i.path)
				default:
					c.at(i.pos, "%s may import only %s, not %s: move what it needs to shared", p.module.rel, strings.Join(allowed, ", "), i.path)
				}
			}
		}
	}
	return nil
}

// The rows of shared, from the ground up.
var rowNames = []string{"words", "decisions", "effects", "faces", "assembly"}

// rowOf assigns packages of shared to rows. A package that is not listed is in
// the row of the nearest one above it that is.
var rowOf = map[string]string{
	"spec": "words", "events": "words", "config": "words", "log": "words",

	"state": "decisions", "controller": "decisions", "process": "decisions", "pipeline": "decisions",

	"bus": "effects", "dep": "effects", "caddy": "effects", "metrics": "effects", "supervisor": "effects",
	"process/runner": "effects", "process/health": "effects", "process/ports": "effects", "process/reach": "effects",
	"pipeline/coordinator": "effects", "pipeline/step": "effects", "pipeline/builtin": "effects", "pipeline/build": "effects",
	"pipeline/ko": "effects", "pipeline/fly": "effects",

	"ui": "faces", "cli": "faces",

	"daemon": "assembly", "boot": "assembly", "service": "assembly", "harness": "assembly", "testutil": "assembly",
}

// row returns the row of a package of shared and the listed package that gave it.
func row(within string) (index int, listed string) {
	for dir := within; dir != "." && dir != ""; dir = path.Dir(dir) {
		if name, ok := rowOf[dir]; ok {
			return slices.Index(rowNames, name), dir
		}
	}
	return -1, ""
}

func checkRows(c *checker) error {
	for _, p := range c.packages {
		if p.module.path != sharedPath || len(p.files) == 0 {
			continue
		}
		at, _ := row(p.within)
		if at < 0 {
			c.at(p.files[0].ast.Package, "package %s is in no row: add it to the architecture and to rowOf in tools/arch", p.path)
			continue
		}
		for _, f := range p.files {
			for _, i := range f.imports {
				within, ok := strings.CutPrefix(i.path, sharedPath+"/")
				if !ok {
					continue
				}
				if to, _ := row(within); to > at {
					c.at(i.pos, "%s (%s) may not import %s (%s): the lower row passes in what the upper one needs, as a value or an interface of its own",
						p.within, rowNames[at], within, rowNames[to])
				}
			}
		}
	}
	return nil
}
