package spec

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"core.internal/shared/spec"
)

// Bounds of the watch: what follows a change within settle belongs to it, and
// where the kernel does not tell of changes the files are looked at every so
// often.
const (
	settle = 100 * time.Millisecond
	look   = 2 * time.Second
	first  = 500 * time.Millisecond // after which they are looked at although nothing was told
)

// Watch calls changed after the specs that dirs find say something else than
// before, until ctx ends; where it fails, it is called again later. digest is what
// they said when they were read.
func Watch(ctx context.Context, dirs spec.Dirs, digest string, log *slog.Logger, changed func() error) error {
	w, err := fsnotify.NewWatcher()
	var happened chan fsnotify.Event
	var failed chan error
	var every <-chan time.Time
	if err != nil {
		log.Warn("changes of specs are noticed late", "every", look, "error", err)
		tick := time.NewTicker(look)
		defer tick.Stop()
		every = tick.C
	} else {
		defer w.Close()
		happened, failed = w.Events, w.Errors
	}
	wait := time.NewTimer(first) // what changed since they were read; services start meanwhile
	defer wait.Stop()
	for {
		select {
		case <-happened:
			wait.Reset(settle)
		case err := <-failed: // as when there were too many events at once
			log.Debug("the watch of specs", "error", err)
			wait.Reset(settle)
		case <-every:
			wait.Reset(0)
		case <-wait.C:
			if w != nil {
				for _, dir := range dirs.Places() {
					if err := w.Add(dir); err != nil {
						log.Debug("a directory with specs is not watched", "directory", dir, "error", err)
					}
				}
			}
			now := dirs.Digest()
			if now == digest {
				continue
			}
			if err := changed(); err != nil {
				log.Error("the specs changed, and what that changes could not be done: it is tried again", "after", look, "error", err)
				wait.Reset(look)
				continue
			}
			digest = now
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
