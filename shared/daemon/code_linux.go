package daemon

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetCode takes the program's code out of this process's memory: what goes on being
// used comes back from the page cache as it is used, and what only the start needed
// does not. Code that somebody has written to, as a debugger or a probe of the kernel
// does, is left alone: what was written would be lost.
func forgetCode() error {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	var from, to uintptr // of the code whose lines follow; to is 0 for anything else
	for lines := bufio.NewScanner(f); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		// A mapping is "address perms offset dev inode path" and then lines about its
		// pages, see proc_pid_smaps(5).
		line := lines.Text()
		switch {
		case strings.HasSuffix(line, " "+exe):
			var perms string
			if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); err != nil {
				return fmt.Errorf("read a mapping: %w", err)
			}
			if perms != "r-xp" {
				to = 0
			}
		case to != 0 && strings.HasPrefix(line, "Anonymous:"): // pages that are no longer the file's
			if strings.Fields(line)[1] == "0" {
				if _, _, e := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); e != 0 {
					return e
				}
			}
			to = 0
		}
	}
}
