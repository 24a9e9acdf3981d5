package build

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"core.internal/shared/events"
)

// Target is one main package of the workspace.
type Target struct {
	Name string // of the binary
	Path string // of the package's directory, relative to the workspace, with slashes
}

// Targets lists the main packages of a workspace: the launcher, the daemons in
// the order in which they start, and the services by name. An empty workspace
// has none.
func Targets(workspace string) ([]Target, error) {
	if workspace == "" {
		return nil, nil
	}
	candidates := []Target{{Name: string(events.Launcher), Path: string(events.Launcher)}}
	for _, daemon := range events.Daemons() {
		candidates = append(candidates, Target{Name: string(daemon), Path: string(daemon)})
	}
	entries, err := os.ReadDir(filepath.Join(workspace, "services"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for services of the workspace: %w", err)
	}
	var services []Target
	for _, e := range entries {
		if e.IsDir() {
			services = append(services, Target{Name: e.Name(), Path: path.Join("services", e.Name())})
		}
	}
	slices.SortFunc(services, func(a, b Target) int { return cmp.Compare(a.Name, b.Name) })
	return slices.DeleteFunc(append(candidates, services...), func(t Target) bool {
		_, err := os.Stat(filepath.Join(workspace, filepath.FromSlash(t.Path), "main.go"))
		return err != nil
	}), nil
}
