//go:build linux || darwin

package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unread blocks until nobody can read what is written to out, which it reports,
// or wake's other end was closed.
func unread(out, wake *os.File) bool {
	const gone = unix.POLLERR | unix.POLLHUP
	fds := []unix.PollFd{
		{Fd: int32(out.Fd())}, // that it is gone is told without being asked for
		{Fd: int32(wake.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || fds[1].Revents != 0:
			return false
		case fds[0].Revents&gone != 0:
			return true
		case fds[0].Revents != 0:
			return false // it was never open
		}
	}
}
