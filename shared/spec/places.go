package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Places lists the directories in which a change may change what [Load] finds:
// those that have specs, and of those that are not there the nearest one above.
func (d Dirs) Places() []string {
	var list []string
	add := func(dir string, subs bool) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			list = append(list, filepath.Dir(dir))
			return
		}
		list = append(list, dir)
		entries, err := os.ReadDir(dir)
		if err != nil || !subs {
			return
		}
		for _, e := range entries {
			if sub := filepath.Join(dir, e.Name()); isDir(sub) {
				list = append(list, sub)
			}
		}
	}
	if d.Workspace != "" {
		add(filepath.Join(d.Workspace, "services"), true)
	}
	if d.Root != "" {
		add(filepath.Join(d.Root, "specs"), false)
	}
	for _, dir := range d.Extra {
		add(dir, true)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Digest is of all that [Load] would read, wherever it is wrong.
func (d Dirs) Digest() string {
	h := sha256.New()
	files, err := d.files()
	fmt.Fprintf(h, "%v\n", err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		fmt.Fprintf(h, "%q %d %v\n", file, len(b), err)
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
