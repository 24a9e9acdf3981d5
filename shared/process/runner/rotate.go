//go:build linux

package runner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func (l *logfile) rotate(now time.Time) {
	old := l.path + "." + now.UTC().Format(stamp)
	if _, err := os.Lstat(old); err == nil {
		return // twice at one time: the next chunk tries again
	}
	if err := os.Rename(l.path, old); err != nil {
		l.r.o.Log.Warn("rotate a log file", "file", l.path, "err", err)
		return
	}
	l.reopen()
	l.prune(now)
}

// prune removes rotated files that are too old, or too many.
func (l *logfile) prune(now time.Time) {
	if l.age <= 0 && l.files <= 0 || l.path == "" {
		return
	}
	dir, base := filepath.Split(l.path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return
	}
	newer := 0
	for _, e := range slices.Backward(entries) { // sorted by name, which is by time
		name, ok := strings.CutPrefix(e.Name(), base+".")
		if !ok {
			continue
		}
		t, err := time.Parse(stamp, name)
		if err != nil {
			continue
		}
		if newer++; l.files > 0 && newer > l.files || l.age > 0 && now.Sub(t) > l.age {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				l.r.o.Log.Warn("remove a rotated log file", "file", e.Name(), "err", err)
			}
		}
	}
}
