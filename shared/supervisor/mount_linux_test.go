package supervisor_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"core.internal/shared/supervisor"
)

// small mounts a small file system.
func small(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

// A full disk says so, and leaves nothing half.
func TestEnsureFullDisk(t *testing.T) {
	b := builder(t)
	dir := b.Layout.Data("alpha")
	small(t, dir, "64k")
	s := ensuring(t, map[string]string{"big": strings.Repeat("x", 1<<20)}, `{"type":"copy","source":"big","target":"{shared.config.dataDir}/x"}`)
	_, err := b.Build(t.Context(), s, supervisor.Instance{Name: "i"})
	if err == nil || !strings.Contains(err.Error(), "process.ensure[0].target: write "+dir+"/x: no space left on device: see who may write there, and what space is left") {
		t.Error(err)
	}
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
