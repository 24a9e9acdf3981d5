package step

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// rounds bounds how often the process table is searched: what is killed may be
// starting others, and takes a moment to go.
const rounds = 100

// KillLeftovers kills every process that has a step's mark in its environment
// and returns how many there were, when they are gone. It must not be called
// while the step runs.
func KillLeftovers(mark string) (int, error) {
	if mark == "" {
		return 0, errors.New("kill what an interrupted attempt left: the step has no mark")
	}
	killed := map[int]bool{}
	for range rounds {
		pids, err := killMarked(mark)
		if err != nil {
			return len(killed), fmt.Errorf("kill what an interrupted attempt left: %w", err)
		}
		if len(pids) == 0 {
			return len(killed), nil
		}
		for _, pid := range pids {
			killed[pid] = true
		}
		time.Sleep(time.Millisecond)
	}
	return len(killed), fmt.Errorf("kill what an interrupted attempt left: processes marked %s do not end", mark)
}

func killMarked(mark string) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []int
	var errs []error
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		// On Linux this holds the process itself, not merely its number.
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if marked(dir, mark) {
			found = append(found, pid)
			if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				errs = append(errs, fmt.Errorf("process %d: %w", pid, err))
			}
		}
		_ = p.Release()
	}
	return found, errors.Join(errs...)
}

func marked(dir, mark string) bool {
	environment, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return false // another user's, or gone
	}
	want := []byte(markVariable + "=" + mark)
	for variable := range bytes.SplitSeq(environment, []byte{0}) {
		if bytes.Equal(variable, want) {
			return true
		}
	}
	return false
}
