package dep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	DepOnly    bool
	Module     *struct {
		Version string
		GoMod   string
		Replace *struct{ Version string }
	}
	Imports   []string
	ImportMap map[string]string

	GoFiles, CgoFiles, IgnoredGoFiles, CFiles, CXXFiles, MFiles, HFiles, FFiles,
	SFiles, SwigFiles, SwigCXXFiles, SysoFiles, EmbedFiles, IgnoredOtherFiles []string
}

const listFields = "-json=ImportPath,Dir,Standard,DepOnly,Module,Imports,ImportMap," +
	"GoFiles,CgoFiles,IgnoredGoFiles,CFiles,CXXFiles,MFiles,HFiles,FFiles," +
	"SFiles,SwigFiles,SwigCXXFiles,SysoFiles,EmbedFiles,IgnoredOtherFiles"

// local reports whether the package's files may change: it is neither of the
// standard library nor in the module cache.
func (p *goPackage) local() bool {
	if p.Standard || p.Dir == "" {
		return false
	}
	m := p.Module
	return m == nil || m.Version == "" || m.Replace != nil && m.Replace.Version == ""
}

// files adds all that the package is compiled from.
func (p *goPackage) files(inputs map[string]fileState, seen look) {
	add := func(path string) { inputs[path] = seen.at(path) }
	add(p.Dir) // files that are added or removed
	for _, list := range [][]string{
		p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, p.CFiles, p.CXXFiles, p.MFiles, p.HFiles, p.FFiles,
		p.SFiles, p.SwigFiles, p.SwigCXXFiles, p.SysoFiles, p.IgnoredOtherFiles,
	} {
		for _, f := range list {
			add(filepath.Join(p.Dir, f))
		}
	}
	for _, f := range p.EmbedFiles {
		path := filepath.Join(p.Dir, f)
		add(path)
		for dir := filepath.Dir(path); len(dir) > len(p.Dir); dir = filepath.Dir(dir) {
			add(dir)
		}
	}
	if p.Module != nil && p.Module.GoMod != "" {
		add(p.Module.GoMod)
		add(filepath.Join(filepath.Dir(p.Module.GoMod), "go.sum"))
	}
}

// listed is what one run of go list said.
type listed struct {
	byPath map[string]*goPackage
	roots  map[string]*goPackage // by directory: the packages asked for
}

// list asks the go command what packages are made of.
func (s Store) list(ctx context.Context, goCommand string, packages []string) (*listed, error) {
	cmd := s.command(ctx, goCommand, append([]string{"list", "-deps", listFields}, packages...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && errs.Len() > 0 {
			return nil, errors.New(trimmed(errs.String()))
		}
		return nil, fmt.Errorf("run go list: %w", err)
	}
	l := &listed{byPath: map[string]*goPackage{}, roots: map[string]*goPackage{}}
	for d := json.NewDecoder(&out); ; {
		p := new(goPackage)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return l, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		l.byPath[p.ImportPath] = p
		if !p.DepOnly {
			l.roots[p.Dir] = p
		}
	}
}

// root returns the package that an asset names.
func (l *listed) root(workspace, asset string) (*goPackage, bool) {
	if p, ok := l.byPath[asset]; ok {
		return p, true
	}
	p, ok := l.roots[filepath.Join(workspace, asset)]
	return p, ok
}

// closure returns a package with all that it imports.
func (l *listed) closure(root *goPackage) map[string]*goPackage {
	all := map[string]*goPackage{root.ImportPath: root}
	for queue := []*goPackage{root}; len(queue) > 0; {
		p := queue[0]
		queue = queue[1:]
		for _, path := range p.Imports {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if q := l.byPath[path]; q != nil && all[path] == nil {
				all[path] = q
				queue = append(queue, q)
			}
		}
	}
	return all
}
