package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is the largest secret, in bytes.
const maxSecret = 64 << 10

// secret reads {secret.NAME}: the file secrets/NAME of the node directory, which
// only its owner may read, without the line break at its end. No error has
// anything of the value.
func (b *Services) secret(name string) (string, error) {
	path := filepath.Join(b.Layout.Secrets(), name)
	root, err := os.OpenRoot(b.Layout.Secrets())
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no secret: write it to %s with mode 0600", path)
	}
	if err != nil {
		return "", fmt.Errorf("open the directory of secrets: %w", err)
	}
	defer root.Close()
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no such secret: write it to %s with mode 0600", path)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("look at the secret: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s can be read by others than its owner (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	case info.Size() > maxSecret:
		return "", fmt.Errorf("%s has %d bytes: want at most %d", path, info.Size(), maxSecret)
	}
	value, err := root.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimSuffix(string(value), "\n"), nil
}
