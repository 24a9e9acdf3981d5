package reach

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/singleflight"
)

// Files asks file systems. The zero value is ready.
type Files struct{ asking singleflight.Group }

// Answer returns nil when the file systems of a directory and of a program have
// answered, whatever they said: neither needs to exist. It fails with the cause of ctx's
// end where that comes first. An empty dir is not asked for.
func (f *Files) Answer(ctx context.Context, dir, program string) error {
	asked := f.asking.DoChan(dir+"\x00"+program, func() (any, error) { touch(dir, program); return nil, nil })
	select {
	case <-asked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer from %s or %s: %w", dir, program, context.Cause(ctx))
	}
}

// touch does what the start of a process does.
func touch(dir, program string) {
	if dir != "" {
		_, _ = os.Stat(dir + "/.") // takes the right to enter it
	}
	// Nothing else can be executed, and to open a FIFO takes somebody who writes.
	if info, err := os.Stat(program); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.Open(program)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.Read(make([]byte, 256)) // which is how much execve(2) looks at
}
