//go:build linux

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
	"core.internal/shared/spec"
)

// An instance whose command has resources runs in a control group of its own,
// which it is born into: what it starts is in it too and can leave neither it nor
// the kill of it. What nobody can enforce on this machine is said in the record.

// setting is one file of a control group.
type setting struct {
	controller, file, value string
	member                  string // of the spec
}

func settingsOf(r *spec.Resources) []setting {
	var list []setting
	add := func(controller, file, member, format string, args ...any) {
		list = append(list, setting{controller, file, fmt.Sprintf(format, args...), member})
	}
	if r.MemoryMax > 0 {
		add("memory", "memory.max", "memoryMax", "%d", int64(r.MemoryMax))
	}
	if r.MemoryHigh > 0 {
		add("memory", "memory.high", "memoryHigh", "%d", int64(r.MemoryHigh))
	}
	if r.CPUMax > 0 {
		period := int64(100_000) // µs; the kernel wants a share of at least 1 ms
		if r.CPUMax < 10 {
			period = 1_000_000
		}
		add("cpu", "cpu.max", "cpuMax", "%d %d", int64(r.CPUMax)*period/1000, period)
	}
	if r.CPUWeight > 0 {
		add("cpu", "cpu.weight", "cpuWeight", "%d", r.CPUWeight)
	}
	if r.PidsMax > 0 {
		add("pids", "pids.max", "pidsMax", "%d", r.PidsMax)
	}
	if r.IOWeight > 0 {
		add("io", "io.weight", "ioWeight", "default %d", r.IOWeight)
	}
	return list
}

// join makes the control group of a command and returns its open directory; -1
// where it has none.
func (p *proc) join(c process.Command) (int, error) {
	if c.Attributes.Resources == nil {
		return -1, nil
	}
	fd, err := p.makeGroup(c)
	if err != nil {
		p.rec.Unenforced = "resources are not enforced: " + err.Error()
	}
	if p.rec.Unenforced != "" {
		p.r.o.Log.Warn(p.rec.Unenforced, "id", p.rec.service(), "instance", c.Instance)
	}
	return fd, nil
}

func (p *proc) makeGroup(c process.Command) (int, error) {
	g, err := p.r.groups()
	if err != nil {
		return -1, err
	}
	dir := filepath.Join(g.dir, p.rec.ID+"."+c.Instance)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return -1, fmt.Errorf("make a control group: %w", err)
	}
	p.rec.Group = dir
	var missing []string
	for _, s := range settingsOf(c.Attributes.Resources) {
		err := g.unable[s.controller]
		if err == nil {
			err = writeKernelFile(filepath.Join(dir, s.file), s.value)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (%v)", s.member, err))
		}
	}
	if len(missing) > 0 {
		p.rec.Unenforced = "resources are not enforced: " + strings.Join(missing, ", ")
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		p.dissolve()
		return -1, fmt.Errorf("open the control group %s: %w", dir, err)
	}
	return fd, nil
}

// writeKernelFile writes a file of the kernel's, which is there.
func writeKernelFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), cause(err))
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), cause(err))
	}
	return nil
}

// Unenforced implements [process.Bounded].
func (p *proc) Unenforced() string { return p.rec.Unenforced }

// killGroup kills all that is in the control group, at once and for good.
func (p *proc) killGroup() {
	if p.rec.Group == "" {
		return
	}
	if err := writeKernelFile(filepath.Join(p.rec.Group, "cgroup.kill"), "1"); err == nil || errors.Is(err, fs.ErrNotExist) && p.groupGone() {
		return
	}
	b, err := os.ReadFile(filepath.Join(p.rec.Group, "cgroup.procs")) // before Linux 5.14
	if err != nil {
		return
	}
	for field := range bytes.FieldsSeq(b) {
		var pid int
		if _, err := fmt.Sscan(string(field), &pid); err == nil && pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func (p *proc) groupGone() bool {
	_, err := os.Stat(p.rec.Group)
	return errors.Is(err, fs.ErrNotExist)
}

// dissolve kills what is left in the control group and removes it.
func (p *proc) dissolve() {
	if p.rec.Group == "" {
		return
	}
	for deadline, pause := time.Now().Add(patience), time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Rmdir(p.rec.Group)
		if err == nil || err == unix.ENOENT {
			return
		}
		if err != unix.EBUSY && err != unix.ENOTEMPTY || time.Now().After(deadline) {
			p.r.o.Log.Warn("remove a control group", "id", p.rec.service(), "group", p.rec.Group, "err", err)
			return
		}
		p.killGroup()
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.r.quit:
			timer.Stop()
			return
		}
	}
}
