package builtin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"core.internal/shared/config"
	"core.internal/shared/pipeline/builtin"
)

func TestDescribe(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"go.work":       "go 1.26.0\n\nuse ./shared\n",
		"shared/go.mod": "module core.internal/shared\n\ngo 1.26.0\n",
		"busd/main.go":  "package main\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	node := config.Node{Name: "local", Root: filepath.Join(root, ".core")}
	for _, c := range []struct{ dir, want string }{
		{"", "build: build core binaries, targets, [{toolchain []} {compile-busd [toolchain]} {manifest [toolchain compile-busd]}]"},
		{t.TempDir(), "build: build core binaries, targets, [{toolchain []} {manifest [toolchain]}]"},
	} {
		if c.dir != "" {
			node.Root = c.dir
		}
		all, err := builtin.Describe(node)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, d := range all {
			lines = append(lines, fmt.Sprintf("%s: %s, %s, %v", d.Name, d.About, d.Params[0].Name, d.Steps))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
