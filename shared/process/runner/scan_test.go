//go:build linux

package runner

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// An instance is found where no session has a number, which is so for what enters
// a container from outside.
func TestScanWithoutSessions(t *testing.T) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), programVar+"=contained")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	switch {
	case c.Process == nil || strings.Contains(string(out), "mount:"):
		t.Skipf("this machine gives no namespaces: %v %s", err, out)
	case err != nil || string(out) != "session 0, found 1\n":
		t.Errorf("%v\n%s", err, out)
	}
}

// contained is the first process of a namespace and looks for its child.
func contained([]string) {
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Println("mount:", err)
		os.Exit(8)
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), programVar+"=wait", instanceVar+"=i1")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(8)
	}
	bufio.NewReader(out).ReadString('\n')
	s, err := readStat(c.Process.Pid)
	if err != nil {
		fmt.Println(err)
	}
	var scans scanner
	fmt.Printf("session %d, found %d\n", s.Session, len(scans.find(wanted{instance: "i1"})))
}
