package supervisor

import (
	"path/filepath"
	"strings"
	"time"
)

// sweep removes what a supervisor that was killed left beside a target in the node
// directory: files and trees that were not whole yet, see [place.beside]. Who is
// supervised makes nothing of such a name, and what this supervisor makes is younger
// than its first preparation. Once for each target is enough.
func (p *preparer) sweep(at place) {
	if _, err := within(p.Layout.Dir, at.path); err != nil {
		return // among the files of others a name proves nothing
	}
	before, again := p.firstTime(at.path)
	if again {
		return
	}
	dir, err := at.root.Open(filepath.Dir(at.rel))
	if err != nil {
		return // there is nothing beside it
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if !strings.HasPrefix(name, hidden(at.rel)) || len(name) != len(hidden(at.rel))+suffix {
			continue
		}
		rel := filepath.Join(filepath.Dir(at.rel), name)
		info, err := at.root.Lstat(rel)
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		if err := at.root.RemoveAll(rel); err == nil {
			p.changed("removed what was left of", place{path: filepath.Join(filepath.Dir(at.path), name)})
		}
	}
}

// firstTime reports when the first preparation began, and whether one has looked beside
// this target before.
func (b *Services) firstTime(target string) (began time.Time, again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.swept == nil {
		b.swept, b.began = map[string]bool{}, time.Now()
	}
	again = b.swept[target]
	b.swept[target] = true
	return b.began, again
}
