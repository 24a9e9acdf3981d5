package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Dirs say where specs are looked for.
type Dirs struct {
	Workspace string   // services/*/service.json below it; may be empty
	Root      string   // specs/*.json below it; may be empty
	Extra     []string // *.json and */service.json below each; must exist
	Files     []string // each a spec, whatever its name
}

// portion is how many specs are read one after the other: fewer are not worth a
// processor of their own.
const portion = 16

// Load reads every spec, sorted by id. All errors are joined; the specs that are
// right are returned beside them. Two specs with one id are an error that names
// both files; a file that is found twice is read once.
func Load(dirs Dirs) ([]Located, error) {
	files, err := dirs.files()
	errs := []error{err}
	read, problems := make([]Located, len(files)), make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < len(files); first += portion {
		g.Go(func() error {
			for i := first; i < min(first+portion, len(files)); i++ {
				read[i], problems[i] = Read(files[i])
			}
			return nil
		})
	}
	g.Wait() // none fails
	var list []Located
	byID := map[ServiceID]Located{}
	for i, s := range read {
		if err := problems[i]; err != nil {
			errs = append(errs, err)
			continue
		}
		if other, twice := byID[s.ID]; twice {
			errs = append(errs, s.Errorf("id", "an id of its own", "%q is the id of %s already", s.ID, other.File))
			continue
		}
		byID[s.ID] = s
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Located) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list, errors.Join(errs...)
}

// files lists the files in the order in which the directories are named.
func (d Dirs) files() ([]string, error) {
	type place struct{ dir, pattern string }
	var places []place
	if d.Workspace != "" {
		places = append(places, place{filepath.Join(d.Workspace, "services"), "*/service.json"})
	}
	if d.Root != "" {
		places = append(places, place{filepath.Join(d.Root, "specs"), "*.json"})
	}
	var errs []error
	for _, dir := range d.Extra {
		if info, err := os.Stat(dir); err != nil {
			errs = append(errs, fmt.Errorf("directory of specs: %w: create it, or correct --specs", err))
			continue
		} else if !info.IsDir() {
			errs = append(errs, fmt.Errorf("directory of specs: %s is a file: name the directory that has it with --specs", dir))
			continue
		}
		places = append(places, place{dir, "*.json"}, place{dir, "*/service.json"})
	}
	var files []string
	add := once(func(file string) { files = append(files, file) })
	for _, p := range places {
		found, err := glob(p.dir, p.pattern)
		if err != nil {
			errs = append(errs, fmt.Errorf("look for specs: %w", err))
		}
		for _, file := range found {
			add(file)
		}
	}
	for _, file := range d.Files {
		add(file)
	}
	return files, errors.Join(errs...)
}

// once calls add with each file that it has not been given under another name.
func once(add func(string)) func(string) {
	seen := map[string]bool{}
	return func(file string) {
		real, err := filepath.EvalSymlinks(file)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			real = file // reading it will say what is wrong
		}
		if !seen[real] {
			seen[real] = true
			add(file)
		}
	}
}

// glob lists the files below dir that match, sorted. The directory's own name
// is no pattern, and that it is absent is no error.
func glob(dir, pattern string) ([]string, error) {
	names, err := fs.Glob(os.DirFS(dir), pattern)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = filepath.Join(dir, filepath.FromSlash(name))
	}
	return names, nil
}
