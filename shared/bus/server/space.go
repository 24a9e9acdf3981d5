package server

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"
)

// spacePause is how often a disk that was full is looked at.
const spacePause = time.Second

// spaceNeeded is what has to fit before the bus tries again.
const spaceNeeded = 1 << 20

// awaitSpace ends the bus when its disk could not be written to and can be
// again: a stream that failed once takes nothing more until it is opened anew,
// which whoever runs the bus sees to. Until then what is stored can be read.
func (s *Server) awaitSpace(ctx context.Context, dir string, unstored <-chan error) error {
	var cause error
	select {
	case cause = <-unstored:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.config.Log.Error("the store cannot be written to: free some space; the bus starts anew when there is", "dir", dir, "needed", spaceNeeded, "error", cause)
	for {
		err := tryWrite(dir)
		if err == nil {
			return fmt.Errorf("bus: store: %w: there is space again, and it has to start anew to use it", cause)
		}
		if err := pause(ctx, spacePause); err != nil {
			return err
		}
	}
}

// tryWrite reports why the bus could not write to its store.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".space-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(bytes.Repeat([]byte{1}, spaceNeeded)); err != nil {
		return err
	}
	return f.Sync()
}
