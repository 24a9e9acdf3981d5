package coordinator

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"core.internal/shared/events"
)

// prune removes the step logs of the oldest runs, as a new one begins. Those of
// runs that go on stay.
func (c *Coordinator) prune() {
	entries, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return
	}
	type logs struct {
		name    string
		changed time.Time
	}
	var all []logs
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			all = append(all, logs{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b logs) int {
		return cmp.Or(b.changed.Compare(a.changed), cmp.Compare(a.name, b.name))
	})
	for _, l := range all[min(c.o.Keep, len(all)):] {
		c.mu.Lock()
		_, active := c.active[events.Entity(l.name)]
		c.mu.Unlock()
		if active {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.o.Dir, l.name)); err != nil {
			c.o.Log.Warn("the logs of an old run cannot be removed", "run", l.name, "error", err)
		}
	}
}
