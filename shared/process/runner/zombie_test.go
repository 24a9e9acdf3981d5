//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// superviseCarelessly starts such a process and kills it when it is asked to end. What
// that leaves becomes its own child, and nobody reaps it.
func superviseCarelessly(args []string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println("failed", err)
		return
	}
	path, _ := os.Executable()
	c := exec.Command(path, args...)
	c.Env, c.Stdout = append(os.Environ(), programVar+"=supervisor"), os.Stdout
	if err := c.Start(); err != nil {
		fmt.Println("failed", err)
		return
	}
	<-asked
	c.Process.Kill()
	c.Wait()
	fmt.Println("killed")
	select {}
}

// A zombie whose parent does not reap it, as a container's first process may not,
// has ended; where no reaper is, its exit is not waited for.
func TestZombieOfACarelessParent(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	s := superviseBy(t, "careless", dir, logs, "start:one:polite", "start:two:polite")
	for _, id := range []string{"one", "two"} {
		eventually(t, "it waits", func() bool { b, _ := os.ReadFile(filepath.Join(logs, id+".log")); return len(b) > 0 })
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.await("killed")
	lies := func(id string) bool {
		v, err := readStat(s.pids[id])
		return err == nil && v.ended()
	}
	b := startIn(t, dir, logs, func(o *Options) { o.Alone = true })
	one := b.adopt("one")
	if one == nil {
		t.Fatal("not adopted")
	}
	began := time.Now()
	if err := one.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if x := wait(t, one); !x.Unknown || !lies("one") {
		t.Errorf("exit %+v, a zombie: %t", x, lies("one"))
	}
	syscall.Kill(s.pids["two"], syscall.SIGKILL)
	eventually(t, "two is a zombie", func() bool { return lies("two") })
	if two := b.adopt("two"); two != nil || !b.Ended("two").Exit().Unknown || !lies("two") {
		t.Errorf("adopted %v, a zombie: %t", two, lies("two"))
	}
	if took := time.Since(began); took >= reapWait {
		t.Errorf("took %v", took)
	}
}
