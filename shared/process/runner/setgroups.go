//go:build linux

package runner

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// setgroups is setgroups(2) for this thread alone.
func setgroups(n int, first *uint32) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(n), uintptr(unsafe.Pointer(first)), 0); e != 0 {
		return e
	}
	return nil
}
