//go:build linux

package runner

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
	"core.internal/shared/testutil/testproc"
)

// What is opened elsewhere is not open in a nursery, whether before it began or
// after: it neither keeps a connection alive nor has anything to copy for a fork.
func TestNurseryHasNoFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	n, err := newNursery()
	if err != nil {
		t.Skip(err)
	}
	defer n.end()
	near.Close()
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other side read %v, want EOF: somebody has the connection open", err)
	}
	after, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	n.do(func() {
		if _, err := unix.FcntlInt(after.Fd(), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("a file that was opened since is open there: %v", err)
		}
	})
}

// The files of this process, as /proc shows them, are never a nursery's.
func TestNurseryIsNotTheMainThread(t *testing.T) {
	for range 50 {
		n, err := newNursery()
		if err != nil {
			t.Skip(err)
		}
		n.do(func() {
			if unix.Gettid() == unix.Getpid() {
				t.Error("it is the main thread")
			}
		})
		n.end()
	}
}

// A process from a nursery has its standard files and no others, and can be told
// from, controlled and awaited like any other.
func TestNurseryChild(t *testing.T) {
	n, err := newNursery()
	if err != nil {
		t.Skip(err)
	}
	n.end()
	b := start(t, nil)
	testproc.Eventually(t, "the runner has its nursery", func() bool { return b.nursery.Load() != nil })
	p := b.start(b.script("alpha", "ls -l /proc/$$/fd; echo again >/dev/stderr; kill -TERM $$", process.Attributes{}))
	if x := wait(t, p); x.Signal != "SIGTERM" {
		t.Errorf("%+v", x)
	}
	log := b.log("alpha")
	has(t, log, "0 -> /dev/null", "1 -> "+fifoPath(b.dir, "alpha", Stdout), "2 -> "+fifoPath(b.dir, "alpha", Stderr), "again")
	if n := strings.Count(log, " -> "); n != 3 && !(n == 4 && strings.Contains(log, "/bin/sh")) {
		t.Errorf("it has %d files:\n%s", n, log)
	}
}
