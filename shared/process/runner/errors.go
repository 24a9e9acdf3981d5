package runner

import (
	"errors"
	"fmt"
)

// ErrUnsupported is returned where the operating system is not Linux 5.4 or later.
var ErrUnsupported = errors.New("not supported yet: running processes needs Linux 5.4 or later")

// StartError says why a process could not be started. Nothing of it is left.
type StartError struct {
	ID   string // the service or daemon
	Path string // the file or directory at fault
	Err  error  // the cause
	Fix  string // what to do
}

func (e *StartError) Error() string {
	s := fmt.Sprintf("start %s: %s: %v", e.ID, e.Path, e.Err)
	if e.Fix != "" {
		s += ": " + e.Fix
	}
	return s
}

func (e *StartError) Unwrap() error { return e.Err }
