package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// checkSpecs holds the directories of services against the two kinds there are:
// a module with its spec, and what others make, which is a spec and no code.
func checkSpecs(c *checker) error {
	root := os.DirFS(filepath.Join(c.root, "services"))
	entries, err := fs.ReadDir(root, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || skipped(e.Name()) {
			continue
		}
		rel := path.Join("services", e.Name())
		if _, err := fs.Stat(root, path.Join(e.Name(), "service.json")); err != nil {
			c.in(path.Join(rel, "service.json"), 1, "%s has no spec: say there what runs, or move what is no service out of services", rel)
		}
		if slices.ContainsFunc(c.modules, func(m *module) bool { return m.rel == rel }) {
			continue
		}
		err := fs.WalkDir(root, e.Name(), func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && path.Ext(name) == ".go" {
				c.in(path.Join("services", name), 1, "Go code in no module: a service with code has a go.mod, others are a spec and nothing else")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
