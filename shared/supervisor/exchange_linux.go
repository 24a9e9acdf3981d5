package supervisor

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// exchange puts what is at temp, beside the target, and what is at the target in each
// other's place, at once where the file system can.
func (p *preparer) exchange(at place, temp string) error {
	dir, err := at.root.Open(filepath.Dir(at.rel))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd := int(dir.Fd())
	err = unix.Renameat2(fd, filepath.Base(temp), fd, filepath.Base(at.rel), unix.RENAME_EXCHANGE)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.EINVAL) {
		return p.exchangeByTurns(at, temp)
	}
	return err
}
