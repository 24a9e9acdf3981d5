package dep

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncFiles writes through what was unpacked, before it is put in place: many
// files at once.
func syncFiles(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write %s through to the disk: %w", dir, err)
	}
	return nil
}
