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
// does not. Code is never written to, so nothing is lost.
func forgetCode() error {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// address perms offset dev inode path, see proc_pid_maps(5)
		if !strings.HasSuffix(lines.Text(), " "+exe) {
			continue
		}
		var from, to uintptr
		var perms string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); err != nil {
			return fmt.Errorf("read a mapping: %w", err)
		}
		if perms != "r-xp" {
			continue
		}
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); e != 0 {
			return e
		}
	}
	return lines.Err()
}
