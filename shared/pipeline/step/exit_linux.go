package step

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// reap waits for a command. It calls exited when the command has exited but is
// not reaped yet, so that nobody else can have its group's id.
func reap(cmd *exec.Cmd, exited func()) error {
	var info unix.Siginfo
	for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	exited()
	return cmd.Wait()
}
