//go:build linux

package runner

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// groups is where control groups of processes are made.
type groups struct {
	dir string
	// unable says of controllers why they do not work there.
	unable map[string]error
}

// controllers are those that resources need.
func controllers() []string { return []string{"cpu", "io", "memory", "pids"} }

// findGroups makes a directory for control groups, below given or, where that is
// empty, below this process's own group.
func findGroups(given, name string) (*groups, error) {
	base := given
	if base == "" {
		var err error
		if base, err = ownGroup(); err != nil {
			return nil, err
		}
	}
	g := &groups{dir: filepath.Join(base, name), unable: map[string]error{}}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("the control group %s is not writable (%w): run the node as root, or let systemd delegate it one (Delegate=yes)", base, cause(err))
	}
	for _, c := range controllers() {
		if err := enable(base, c); err != nil {
			g.unable[c] = err
		} else if err := enable(g.dir, c); err != nil {
			g.unable[c] = err
		}
	}
	return g, nil
}

// groupsName is the group of the processes that a runner with records in dir
// starts.
func groupsName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("core-%x", sum[:6])
}

// leave removes the directory once nothing is in it.
func (g *groups) leave() { unix.Rmdir(g.dir) }

// enable gives the groups below dir a controller.
func enable(dir, controller string) error {
	has := func(file string) bool {
		b, err := os.ReadFile(filepath.Join(dir, file))
		return err == nil && slices.Contains(strings.Fields(string(b)), controller)
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	switch {
	case has("cgroup.subtree_control"):
		return nil
	case !has("cgroup.controllers"):
		return fmt.Errorf("the control group %s has no controller %q: it may be in use by cgroup v1, or its parent does not hand it on", dir, controller)
	}
	err := writeKernelFile(control, "+"+controller)
	if errors.Is(err, unix.EBUSY) && delegated(dir) {
		if err = evacuate(dir); err == nil {
			err = writeKernelFile(control, "+"+controller)
		}
	}
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("the control group %s has processes of its own: give the node a group to itself, as with Delegate=yes in its systemd unit", dir)
	}
	return err
}

// delegated reports whether a group was handed to this node to do with as it
// likes: systemd marks those, and the root of a container is one.
func delegated(dir string) bool {
	for _, mark := range []string{"trusted.delegate", "user.delegate"} {
		var b [8]byte
		if n, err := unix.Getxattr(dir, mark, b[:]); err == nil && string(b[:n]) == "1" {
			return true
		}
	}
	path, err := groupPath()
	own, ownErr := ownGroup()
	return err == nil && ownErr == nil && path == "/" && own == dir
}

// evacuate moves the processes of a group into one below it: a group with
// processes cannot have controllers for others.
func evacuate(dir string) error {
	below := filepath.Join(dir, "core-node")
	if err := os.MkdirAll(below, 0o755); err != nil {
		return err
	}
	for range 10 { // they may fork meanwhile
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil || len(bytes.TrimSpace(b)) == 0 {
			return err
		}
		for pid := range bytes.FieldsSeq(b) {
			if err := writeKernelFile(filepath.Join(below, "cgroup.procs"), string(pid)); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return unix.EBUSY
}

// ownGroup is the directory of this process's control group.
func ownGroup() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find the control groups: %w", err)
	}
	defer f.Close()
	path, err := groupPath()
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before) // see proc_pid_mountinfo(5)
		if !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		rel, err := filepath.Rel(fields[3], path)
		if err == nil && filepath.IsLocal(rel) {
			return filepath.Join(fields[4], rel), nil
		}
	}
	return "", errors.New("no cgroup2 file system is mounted: mount it at /sys/fs/cgroup")
}

// groupPath is this process's group as the kernel names it.
func groupPath() (string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find the control groups: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("this kernel has no control groups of version 2")
}
