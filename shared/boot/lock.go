package boot

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"core.internal/shared/config"
)

// LockedError says that another launcher has the node.
type LockedError struct {
	Dir string
	PID int // 0 where the holder has not said
}

func (e *LockedError) Error() string {
	holder := "another process"
	if e.PID > 0 {
		holder = fmt.Sprintf("the launcher with pid %d", e.PID)
	}
	return fmt.Sprintf("the node directory %s is held by %s: it is up already, `launcher status` shows it and `launcher down` takes it down", e.Dir, holder)
}

// lock takes the node directory for this process. The lock goes with the
// process, however it ends; the pid in the file is there for people.
func lock(ctx context.Context, layout config.Layout) (*flock.Flock, error) {
	l := flock.New(layout.Lock())
	// Holder takes the lock for an instant too.
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if ok, err := l.TryLockContext(brief, 5*time.Millisecond); !ok {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("lock the node directory: %w", ctx.Err())
		}
		if err != nil && brief.Err() == nil {
			return nil, fmt.Errorf("lock the node directory: %w", err)
		}
		return nil, &LockedError{Dir: layout.Dir, PID: holder(layout)}
	}
	if err := os.WriteFile(layout.Lock(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("write the node's lock: %w", err)
	}
	return l, nil
}

func holder(layout config.Layout) int {
	b, err := os.ReadFile(layout.Lock())
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// Holder returns the pid of the launcher that holds a node directory, 0 if none
// does.
func Holder(layout config.Layout) (int, error) {
	if _, err := os.Stat(layout.Lock()); os.IsNotExist(err) {
		return 0, nil
	}
	l := flock.New(layout.Lock())
	ok, err := l.TryRLock()
	if err != nil {
		return 0, fmt.Errorf("look at the node's lock: %w", err)
	}
	if ok {
		return 0, l.Unlock()
	}
	return holder(layout), nil
}
