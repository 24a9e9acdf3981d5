package workspace

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// Prefix starts the path of every module of this repository.
const Prefix = "core.internal/"

// Version is the version under which the modules require each other.
const Version = "v0.1.0"

// A Module is one member of the workspace.
type Module struct {
	Path string // module path, as in go.mod
	Dir  string // absolute directory
	Rel  string // directory relative to the workspace root, slash-separated
}

// A Workspace is the root directory and the members that its go.work uses, in
// the order they stand there.
type Workspace struct {
	Root    string
	Modules []Module
}

// Find returns the workspace whose go.work lies in dir or the nearest parent.
func Find(dir string) (Workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Workspace{}, err
	}
	for root := abs; ; root = filepath.Dir(root) {
		b, err := os.ReadFile(filepath.Join(root, "go.work"))
		if err == nil {
			return parse(root, b)
		}
		if !os.IsNotExist(err) {
			return Workspace{}, err
		}
		if root == filepath.Dir(root) {
			return Workspace{}, fmt.Errorf("no go.work in %s or above: run this inside the repository", abs)
		}
	}
}

func parse(root string, b []byte) (Workspace, error) {
	work, err := modfile.ParseWork(filepath.Join(root, "go.work"), b, nil)
	if err != nil {
		return Workspace{}, err
	}
	ws := Workspace{Root: root}
	for _, use := range work.Use {
		dir := filepath.Join(root, use.Path)
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			return Workspace{}, err
		}
		rel := strings.TrimPrefix(filepath.ToSlash(use.Path), "./")
		ws.Modules = append(ws.Modules, Module{Path: modfile.ModulePath(mod), Dir: dir, Rel: rel})
	}
	return ws, nil
}

// WriteProxy packs every module, as it stands in the working tree, into a
// module proxy under dir.
func (w Workspace) WriteProxy(dir string) error {
	for _, m := range w.Modules {
		if err := m.writeProxy(dir); err != nil {
			return fmt.Errorf("pack %s: %w", m.Path, err)
		}
	}
	return nil
}

func (m Module) writeProxy(dir string) error {
	at := filepath.Join(dir, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(m.Dir, "go.mod"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"list":            Version + "\n",
		Version + ".info": fmt.Sprintf("{\"Version\":%q}\n", Version),
		Version + ".mod":  string(mod),
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(at, Version+".zip"))
	if err != nil {
		return err
	}
	if err := modzip.CreateFromDir(f, module.Version{Path: m.Path, Version: Version}, m.Dir); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// ProxyEnv returns an environment for the go command in which the proxy under
// dir comes before the ordinary one and the workspace is not looked at.
func (w Workspace) ProxyEnv(ctx context.Context, dir string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOPROXY")
	cmd.Dir = w.Root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOPROXY: %w", err)
	}
	own := Prefix + "*"
	return append(os.Environ(),
		"GOWORK=off",
		"GOFLAGS=-mod=mod",
		"GOPROXY=file://"+filepath.ToSlash(dir)+","+strings.TrimSpace(string(out)),
		"GONOSUMDB="+own, "GONOPROXY=none", "GOPRIVATE=",
		// The go command indexes what a version has once and for all, and our
		// versions change.
		"GODEBUG=goindex=0",
	), nil
}
