package dep

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sharedModule is what makes a workspace one of this platform.
const sharedModule = "core.internal/shared"

// FindWorkspace returns the root of the nearest workspace, in dir or above it,
// that uses the module core.internal/shared.
func FindWorkspace(dir string) (string, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.work")); err == nil {
			for _, use := range uses(b) {
				if !filepath.IsAbs(use) {
					use = filepath.Join(dir, use)
				}
				mod, err := os.ReadFile(filepath.Join(use, "go.mod"))
				if err == nil && moduleOf(mod) == sharedModule {
					return dir, true
				}
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}

// uses returns the directories of the use directives of a go.work file.
func uses(work []byte) []string {
	var dirs []string
	block := false
	for line := range bytes.Lines(work) {
		f := directive(line)
		switch {
		case len(f) == 0:
		case block && f[0] == ")":
			block = false
		case block:
			dirs = append(dirs, f[0])
		case f[0] == "use" && len(f) > 1 && f[1] == "(":
			block = true
		case f[0] == "use(":
			block = true
		case f[0] == "use" && len(f) > 1:
			dirs = append(dirs, f[1])
		}
	}
	return dirs
}

// moduleOf returns the module path of a go.mod file.
func moduleOf(mod []byte) string {
	for line := range bytes.Lines(mod) {
		if f := directive(line); len(f) > 1 && f[0] == "module" {
			return f[1]
		}
	}
	return ""
}

// directive returns the words of a line without its comment.
func directive(line []byte) []string {
	text, _, _ := strings.Cut(string(line), "//")
	f := strings.Fields(text)
	for i, w := range f {
		if u, err := strconv.Unquote(w); err == nil {
			f[i] = u
		}
	}
	return f
}
