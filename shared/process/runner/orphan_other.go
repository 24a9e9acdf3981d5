//go:build !linux

package runner

import (
	"context"
	"fmt"
	"time"

	"core.internal/shared/config"
)

// Owned is a process that a service of a node started.
type Owned struct {
	PID        int
	Service    string
	Instance   string
	Supervised bool
}

// OwnerOf knows nobody where there is no /proc.
func OwnerOf(config.Layout, int) (Owned, bool) { return Owned{}, false }

// Belongs reports whether a process is the leader itself.
func Belongs(pid int, _ string, leader int) bool { return pid == leader }

// End fails with [ErrUnsupported].
func (o Owned) End(context.Context, config.Layout, time.Duration) error {
	return fmt.Errorf("end process %d: %w", o.PID, ErrUnsupported)
}
