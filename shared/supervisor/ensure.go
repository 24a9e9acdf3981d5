package supervisor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"core.internal/shared/spec"
)

// ensure makes what must be in place: the service's own directories, then what
// its spec lists. Nothing is written outside the node directory.
func (b *Services) ensure(s spec.Located, vars spec.Vars) error {
	root, err := os.OpenRoot(b.Layout.Dir)
	if err != nil {
		return fmt.Errorf("prepare %s: open the node directory: %w", s.ID, err)
	}
	defer root.Close()
	id := string(s.ID)
	for _, dir := range []string{b.Layout.Data(id), b.Layout.Conf(id), b.Layout.Logs()} {
		if err := mkdir(root, b.Layout.Dir, dir, 0); err != nil {
			return fmt.Errorf("prepare %s: %w", s.ID, err)
		}
	}
	for i, e := range s.Process.Ensure {
		field := fmt.Sprintf("process.ensure[%d]", i)
		switch e.Type {
		case spec.EnsureMkdir:
			if err := mkdir(root, b.Layout.Dir, e.Path, e.Mode.Perm(0)); err != nil {
				return s.Errorf(field+".path", "", "%v", err)
			}
		case spec.EnsureTemplate:
			if err := template(root, b.Layout.Dir, s, e, vars); err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
		default:
			return s.Errorf(field+".type", "", "not supported yet: %q", e.Type)
		}
	}
	return nil
}

// within returns path relative to the node directory, in which it must be.
func within(dir, path string) (string, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is outside the node directory %s: use {shared.config.dir} or {shared.config.dataDir}", path, dir)
	}
	return rel, nil
}

// mkdir makes a directory and gives it permissions, where mode is not 0 also if
// it is there.
func mkdir(root *os.Root, dir, path string, mode fs.FileMode) error {
	rel, err := within(dir, path)
	if err != nil {
		return err
	}
	info, err := root.Stat(rel)
	if err != nil || !info.IsDir() {
		if err := root.MkdirAll(rel, 0o700); err != nil {
			return fmt.Errorf("make directory %s: %w", path, err)
		}
	}
	if mode == 0 || err == nil && info.Mode().Perm() == mode {
		return nil
	}
	if err := root.Chmod(rel, mode); err != nil {
		return fmt.Errorf("set the permissions of %s: %w", path, err)
	}
	return nil
}

// maxTemplate is the largest template.
const maxTemplate = 1 << 20

// template writes a file from a template, where it does not have that content
// already.
func template(root *os.Root, dir string, s spec.Located, e spec.Ensure, vars spec.Vars) error {
	info, err := os.Stat(e.Template)
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	if info.Size() > maxTemplate || !info.Mode().IsRegular() {
		return fmt.Errorf("template %s: want a file of at most %d bytes", e.Template, maxTemplate)
	}
	text, err := os.ReadFile(e.Template)
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	out, err := s.Expand(e.Template, string(text), vars)
	if err != nil {
		return err
	}
	rel, err := within(dir, e.Target)
	if err != nil {
		return s.Errorf("process.ensure", "", "%v", err)
	}
	mode := e.Mode.Perm(0o600)
	if now, err := root.ReadFile(rel); err == nil && string(now) == out {
		if info, err := root.Stat(rel); err != nil || info.Mode().Perm() == mode {
			return err
		}
		if err := root.Chmod(rel, mode); err != nil {
			return fmt.Errorf("set the permissions of %s: %w", e.Target, err)
		}
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(rel), 0o700); err != nil {
		return fmt.Errorf("make the directory of %s: %w", e.Target, err)
	}
	temp := rel + ".new"
	if err := root.WriteFile(temp, []byte(out), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", e.Target, err)
	}
	if err := root.Chmod(temp, mode); err != nil { // the umask does not count
		return fmt.Errorf("set the permissions of %s: %w", e.Target, err)
	}
	if err := root.Rename(temp, rel); err != nil {
		return fmt.Errorf("write %s: %w", e.Target, err)
	}
	return nil
}
