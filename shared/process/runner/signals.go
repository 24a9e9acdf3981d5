//go:build linux

package runner

import (
	"os"
	"os/signal"
	"syscall"
)

// heed receives the signals that this process was started to ignore, as nohup does
// it with SIGHUP and a script's shell with SIGINT and SIGQUIT of what it puts into
// the background, and drops them. What is ignored here would be ignored by every
// child, and no trap of a shell undoes that: a service could not be told to reload,
// or to stop, by that signal.
func heed() {
	dropped := make(chan os.Signal, 1)
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be
		case syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU: // the terminal's
		default:
			if signal.Ignored(s) {
				signal.Notify(dropped, s)
			}
		}
	}
}
