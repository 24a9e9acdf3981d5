//go:build unix

package dep

import (
	"os/exec"
	"syscall"
)

// interruptible makes the end of cmd's context interrupt it and the compilers it
// has started. In a group of its own, it is not interrupted by the terminal before
// its caller decides.
func interruptible(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}
