package dep

import (
	"os"
	"path/filepath"
	"strings"
)

// running returns the keys of trees that processes of this machine run from:
// their programs, and the scripts that those were given.
func running(store string) map[string]bool {
	keys := map[string]bool{}
	store = real(store)
	note := func(path string) {
		if key, ok := keyOf(store, path); ok {
			keys[key] = true
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return keys
	}
	for _, process := range processes {
		if path, err := os.Readlink(filepath.Join(process, "exe")); err == nil { // others' processes cannot be read
			note(path)
		}
		line, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil {
			continue
		}
		for i, arg := range strings.Split(string(line), "\x00") {
			if i >= 4 {
				break
			}
			if path, err := filepath.EvalSymlinks(arg); err == nil && filepath.IsAbs(arg) {
				note(path)
			}
		}
	}
	return keys
}
