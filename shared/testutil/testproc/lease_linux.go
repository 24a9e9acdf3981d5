package testproc

import (
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Lease is what keeps a file from whoever opens or executes it: they wait, as on a
// file system that does not answer. See fcntl(2), F_SETLEASE.
type Lease struct {
	f    *os.File
	free sync.Once
	t    testing.TB
}

// TakeLease takes the lease of a file that nobody has open until Free is called, at the
// latest until the test ends. It skips the test where there are no leases.
func TakeLease(t testing.TB, path string) *Lease {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // and with it the lease goes
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("no leases here: %v", err)
	}
	return &Lease{f: f, t: t}
}

// Asked reports whether somebody waits for the file.
func (l *Lease) Asked() bool {
	kind, err := unix.FcntlInt(l.f.Fd(), unix.F_GETLEASE, 0)
	return err == nil && kind != unix.F_WRLCK
}

// Free lets everybody have the file.
func (l *Lease) Free() {
	l.t.Helper()
	l.free.Do(func() {
		if _, err := unix.FcntlInt(l.f.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
			l.t.Errorf("give up the lease of %s: %v", l.f.Name(), err)
		}
	})
}
