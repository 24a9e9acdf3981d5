//go:build linux

package runner

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
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
	n, err := NewNursery()
	if err != nil {
		t.Skip(err)
	}
	defer n.End()
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
		n, err := NewNursery()
		if err != nil {
			t.Skip(err)
		}
		n.do(func() {
			if unix.Gettid() == unix.Getpid() {
				t.Error("it is the main thread")
			}
		})
		n.End()
	}
}

// A process from a nursery has its standard files and no others, and can be told
// from, controlled and awaited like any other.
func TestNurseryChild(t *testing.T) {
	n, err := NewNursery()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(n.End) // after the runner's
	b := start(t, func(o *Options) { o.Nursery = n })
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

// Starts leave no file behind in a nursery, nor outside, whether they succeed or fail.
func TestNurseryKeepsNothing(t *testing.T) {
	n, err := NewNursery()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(n.End)
	b := start(t, func(o *Options) { o.Nursery = n })
	bad := map[string]process.Command{}
	for _, name := range []string{"missing", "plain", "nowhere", "nobody", "locked"} {
		bad[name] = b.script(name, "true", process.Attributes{})
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(name string, f func(*process.Command)) { c := bad[name]; f(&c); bad[name] = c }
	change("missing", func(c *process.Command) { c.Path += "-not" })
	change("plain", func(c *process.Command) { c.Path = plain })
	change("nowhere", func(c *process.Command) { c.Dir += "/not" })
	change("nobody", func(c *process.Command) { c.Attributes.Account = &process.Account{UID: 61000, GID: 61000} })
	change("locked", func(c *process.Command) { c.Stdout = filepath.Join(plain, "log") })
	round := func() {
		for name, c := range bad {
			if _, err := b.Start(context.Background(), c); err == nil {
				t.Fatalf("%s started", name)
			}
		}
		wait(t, b.start(b.script("good", "exit 3", process.Attributes{})))
	}
	files := func() (here, there int) {
		count := func() int {
			names, err := os.ReadDir("/proc/thread-self/fd")
			if err != nil {
				t.Error(err)
			}
			return len(names)
		}
		here = count()
		n.do(func() {
			fd, err := unix.Open("/proc/thread-self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer unix.Close(fd)
			buf := make([]byte, 64<<10)
			n, _ := unix.ReadDirent(fd, buf)
			_, there, _ = unix.ParseDirent(buf[:n], -1, nil)
		})
		return here, there
	}
	round()
	here, there := files()
	for range 50 {
		round()
	}
	if h, n := files(); h > here+1 || n != there {
		t.Errorf("%d files are open, before %d; in the nursery %d, before %d", h, here, n, there)
	}
}
