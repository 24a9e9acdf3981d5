package dep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// system finds a command that the system has.
func (s Store) system(w Want) (string, error) {
	command := w.Asset
	if command == "" {
		command = w.Name
	}
	if filepath.IsAbs(command) {
		if path, ok := executable(command); ok {
			return path, nil
		}
		return "", &Error{w.Name, w.Source, fmt.Errorf("%s is no executable file", command), "install it, or correct field dep.asset"}
	}
	if strings.ContainsAny(command, "/\\") {
		return "", &Error{w.Name, w.Source, fmt.Errorf("%q is neither a command's name nor an absolute path", command), "correct field dep.asset"}
	}
	if path, ok := s.lookPath(command); ok {
		return path, nil
	}
	fix := "install it, or correct field dep.asset"
	if _, err := os.Stat("/etc/debian_version"); err == nil {
		fix = fmt.Sprintf("install the package that has it, perhaps with `apt-get install %s`, or correct field dep.asset", command)
	}
	return "", &Error{w.Name, w.Source, fmt.Errorf("the command %q is not on PATH", command), fix}
}

// lookPath is exec.LookPath on the store's own Path. What is relative to the
// current directory is not looked at.
func (s Store) lookPath(command string) (string, bool) {
	list := s.Path
	if list == "" {
		list = os.Getenv("PATH")
	}
	for _, dir := range filepath.SplitList(list) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if path, ok := executable(filepath.Join(dir, command)); ok {
			return path, true
		}
	}
	return "", false
}

func executable(path string) (string, bool) {
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
