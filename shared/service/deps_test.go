package service_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLinksNothingHeavy keeps services small: they are clients of the bus and of
// the edge and have no terminal to draw on.
func TestLinksNothingHeavy(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go command")
	}
	out, err := exec.Command(goTool, "list", "-deps", "core.internal/shared/service", "core.internal/shared/ui/web").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for _, heavy := range []string{
		"github.com/nats-io/nats-server", "github.com/caddyserver/", "github.com/charmbracelet/", "testing",
		"core.internal/shared/bus/server", "core.internal/shared/cli", "core.internal/shared/caddy",
	} {
		for line := range strings.Lines(string(out)) {
			if path := strings.TrimSpace(line); path == heavy || strings.HasPrefix(path, strings.TrimSuffix(heavy, "/")+"/") {
				t.Errorf("a service would link %s", path)
			}
		}
	}
}
