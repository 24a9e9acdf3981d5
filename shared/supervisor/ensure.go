package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"core.internal/shared/spec"
)

// preparer makes what must be in place for one instance.
type preparer struct {
	*Services
	spec spec.Located // resolved
	vars spec.Vars
	root *os.Root // the node directory
	as   *account // whose what it makes is; nil for the supervisor's
	// changes says in words what it made or changed.
	changes []string
}

// ensure makes what must be in place: the service's own directories, then what
// its spec lists. It returns what it changed, also where it fails. Nothing is
// written outside the node directory but what an entry says is outside.
func (b *Services) ensure(ctx context.Context, s spec.Located, vars spec.Vars, as *account) ([]string, error) {
	root, err := os.OpenRoot(b.Layout.Dir)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: open the node directory: %w", s.ID, err)
	}
	defer root.Close()
	p := &preparer{Services: b, spec: s, vars: vars, root: root}
	id := string(s.ID)
	for _, dir := range []string{b.Layout.Data(id), b.Layout.Conf(id), b.Layout.Logs()} {
		if err := p.mkdir(place{root: root, path: dir, rel: relative(b.Layout.Dir, dir)}, 0); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", s.ID, err)
		}
	}
	if err := b.admit(s, root, as); err != nil {
		return nil, err
	}
	p.as, p.changes = as, nil
	for i, e := range s.Process.Ensure {
		field := fmt.Sprintf("process.ensure[%d]", i)
		if err := p.entry(ctx, e, field); err != nil {
			return p.changes, err
		}
	}
	return p.changes, nil
}

func (p *preparer) entry(ctx context.Context, e spec.Ensure, field string) error {
	path, member := e.Target, ".target"
	if e.Type == spec.EnsureMkdir {
		path, member = e.Path, ".path"
	}
	at, err := p.place(path, e.Outside)
	if err != nil {
		return p.spec.Errorf(field+member, "", "%v", err)
	}
	defer at.close()
	if e.Type != spec.EnsureMkdir {
		p.sweep(at)
	}
	switch e.Type {
	case spec.EnsureMkdir:
		err = p.mkdir(at, e.Mode.Perm(0))
	case spec.EnsureTemplate:
		var text []byte
		if text, err = p.template(e); err == nil {
			err = p.write(at, e.Mode.Perm(0o600), text)
		} else {
			return fmt.Errorf("%s: %w", field, err)
		}
	case spec.EnsureFile:
		err = p.write(at, e.Mode.Perm(0o600), []byte(e.Content))
	case spec.EnsureCopy:
		if err = p.copy(at, e); err != nil {
			member = ".source"
		}
	case spec.EnsureSymlink:
		err = p.link(at, e.Source)
	case spec.EnsureDownload:
		if member = ".url"; e.Extract == "" || e.Extract == "none" {
			err = p.download(ctx, at, e)
		} else {
			err = p.extract(ctx, at, e)
		}
	default:
		return p.spec.Errorf(field+".type", "", "unknown: %q", e.Type)
	}
	var target *targetError
	var passing *passingError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &passing):
		return &passingError{p.spec.Errorf(field+member, "", "%v", err)}
	case errors.As(err, &target) && e.Type != spec.EnsureMkdir:
		member = ".target"
	}
	return p.spec.Errorf(field+member, "", "%v", err)
}

// targetError is about what is where something is to be made.
type targetError struct{ error }

func (e *targetError) Unwrap() error { return e.error }

// passingError is one that another attempt may cure.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

// changed notes what was changed, by its path below the node directory.
func (p *preparer) changed(what string, at place) {
	name := at.path
	if rel, err := within(p.Layout.Dir, at.path); err == nil {
		name = rel
	}
	p.changes = append(p.changes, what+" "+name)
}

// place is where something is to be made: a path that cannot lead out of root,
// whatever links there are.
type place struct {
	root *os.Root
	rel  string
	path string // absolute, for people
	own  bool   // root is this place's alone
}

func (a place) close() {
	if a.own {
		a.root.Close()
	}
}

// place opens the narrowest directory that a path must stay in: the service's
// own ones, as what is in them may be another user's, else the node directory, or
// what there is of the way to a place outside.
func (p *preparer) place(path string, outside bool) (place, error) {
	id := string(p.spec.ID)
	for _, dir := range []string{p.Layout.Data(id), p.Layout.Conf(id)} {
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." || !filepath.IsLocal(rel) {
			continue
		}
		root, err := p.root.OpenRoot(relative(p.Layout.Dir, dir))
		if err != nil {
			return place{}, err
		}
		return place{root, rel, path, true}, nil
	}
	rel, err := within(p.Layout.Dir, path)
	if err == nil {
		return place{root: p.root, rel: rel, path: path}, nil
	}
	if !outside {
		return place{}, err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		root, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return place{}, err
		}
		return place{root, relative(dir, path), path, true}, nil
	}
}

// within returns path relative to the node directory, in which it must be.
func within(dir, path string) (string, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is outside the node directory %s: use {shared.config.dir} or {shared.config.dataDir}, or say \"outside\": true", path, dir)
	}
	return rel, nil
}

// relative is for a path that is in dir.
func relative(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return path // refused by whoever opens it in a root
	}
	return rel
}

// maxTemplate is the largest template.
const maxTemplate = 1 << 20

// template is what a template becomes.
func (p *preparer) template(e spec.Ensure) ([]byte, error) {
	info, err := os.Stat(e.Template)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if info.Size() > maxTemplate || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("template %s: want a file of at most %d bytes", e.Template, maxTemplate)
	}
	text, err := os.ReadFile(e.Template)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	out, err := p.spec.Expand(e.Template, string(text), p.vars)
	return []byte(out), err
}

func (p *preparer) copy(at place, e spec.Ensure) error {
	from, err := os.Open(e.Source)
	if err != nil {
		return err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", e.Source)
	}
	return p.install(at, e.Mode.Perm(0o600), from)
}

// write makes a file with a content.
func (p *preparer) write(at place, mode fs.FileMode, content []byte) error {
	return p.install(at, mode, bytes.NewReader(content))
}
