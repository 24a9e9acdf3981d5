package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrUnread is returned by [Exec] where nobody reads the output of what would
// have gone on.
var ErrUnread = errors.New("nobody reads the output")

// whileRead runs what goes on without end. Its context ends when nobody can read
// standard output any more, which a write alone would find out, at the next fact
// or never.
func (c *call) whileRead(ctx context.Context, fn func(context.Context) error) error {
	f, ok := c.out.Writer.(*os.File)
	if !ok {
		return fn(ctx)
	}
	wake, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("watch standard output: %w", err)
	}
	defer wake.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if unread(f, wake) {
			cancel(ErrUnread)
		}
	}()
	err = fn(ctx)
	end.Close()
	<-watched
	var wrote *os.PathError // a write may be the first to find out
	if errors.Is(context.Cause(ctx), ErrUnread) || errors.As(err, &wrote) && wrote.Path == f.Name() && errors.Is(err, syscall.EPIPE) {
		return ErrUnread
	}
	return err
}
