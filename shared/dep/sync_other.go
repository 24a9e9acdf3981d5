//go:build !linux

package dep

import (
	"io/fs"
	"os"
	"path/filepath"
)

// syncFiles writes through what was unpacked, before it is put in place.
func syncFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
