//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
	"core.internal/shared/spec"
)

// script is a command that a shell runs.
func (b *bench) script(id, text string, a process.Attributes) process.Command {
	c := b.command(id, "")
	c.Path, c.Args, c.Env, c.Attributes = "/bin/sh", []string{"-c", text}, []string{"PATH=/usr/bin:/bin", "WORD=a b"}, a
	if a.Account != nil {
		allow(b.t, c.Dir)
	}
	return c
}

// allow lets everybody into a directory of a test.
func allow(t testing.TB, dir string) {
	t.Helper()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func nobody() *process.Account {
	return &process.Account{UID: 65534, GID: 65534, Groups: []uint32{7, 9}}
}

func has(t *testing.T, text string, want ...string) {
	t.Helper()
	fields := strings.Join(strings.Fields(text), " ")
	for _, w := range want {
		if !strings.Contains(fields, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

func TestAttributes(t *testing.T) {
	needRoot(t)
	b := start(t, nil)
	c := b.script("alpha", `umask; echo nice $(nice); cat /proc/self/oom_score_adj; cat /proc/$$/limits /proc/$$/status; pwd; echo "$WORD $CORE_INSTANCE"
		ls -l /proc/self/fd | grep " [34] -"; true; echo again >/dev/stdout; echo $0`, process.Attributes{
		Account: nobody(), Umask: new(uint32(0o027)), Nice: 3, OOMScoreAdjust: 200,
		Limits: &spec.Limits{
			OpenFiles: new(spec.Limit(77)), CoreSize: new(spec.Limit(0)), FileSize: new(spec.Unlimited), StackSize: new(spec.Limit(4 << 20)),
			AddressSpace: new(spec.Limit(512 << 20)), CPUTime: new(spec.Limit(3600)), LockedMemory: new(spec.Limit(4096)), Processes: new(spec.Limit(500)),
		},
	})
	p := b.start(c)
	if x := wait(t, p); !x.OK() {
		t.Fatalf("%+v\n%s", x, b.log("alpha"))
	}
	has(t, b.log("alpha"), "0027", "nice 3", "200", "Uid: 65534 65534 65534 65534", "Gid: 65534 65534 65534 65534", "Groups: 7 9",
		"Max open files 77 77", "Max core file size 0 0", "Max stack size 4194304 4194304", "Max address space 536870912", "Max cpu time 3600 3600",
		"Max locked memory 4096 4096", "Max processes 500 500", "Max file size unlimited unlimited", c.Dir, "a b "+c.Instance, "again")
	if strings.Contains(b.log("alpha"), "memfd") || strings.Contains(b.log("alpha"), "pipe:") {
		t.Errorf("it has the plan:\n%s", b.log("alpha"))
	}
	info, err := os.Stat(filepath.Join(b.logs, "alpha.log"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("the log file is not the user's: %v, %v", info, err)
	}
}

// A user alone costs no wrapper.
func TestUser(t *testing.T) {
	needRoot(t)
	b := start(t, func(o *Options) { o.Wrapper = nil })
	p := b.start(b.script("alpha", "cat /proc/self/status; pwd; echo again >/dev/stdout", process.Attributes{Account: nobody()}))
	if x := wait(t, p); !x.OK() {
		t.Fatalf("%+v", x)
	}
	has(t, b.log("alpha"), "Uid: 65534", "Groups: 7 9", "again")
	// Its next instance is the supervisor's own again.
	wait(t, b.start(b.script("alpha", "cat /proc/self/status; echo again >/dev/stdout", process.Attributes{})))
	has(t, b.log("alpha"), "Uid: 0")
}

// Little address space changes no other limit.
func TestConfined(t *testing.T) {
	b := start(t, nil)
	limits := func(id string, l *spec.Limits) string {
		if x := wait(t, b.start(b.script(id, "grep -v address /proc/$$/limits", process.Attributes{Limits: l}))); !x.OK() {
			t.Fatalf("%+v", x)
		}
		return b.log(id)
	}
	free, confined := limits("free", nil), limits("confined", &spec.Limits{AddressSpace: new(spec.Limit(64 << 20))})
	if free != confined || free == "" {
		t.Errorf("%s\n%s", free, confined)
	}
}

// However much the wrapper is given, it can say why there is no command within little
// address space, also where its user may not raise the limit again.
func TestConfinedFailure(t *testing.T) {
	b := start(t, nil)
	attributes := process.Attributes{Limits: &spec.Limits{AddressSpace: new(spec.Limit(1 << 20))}}
	if os.Geteuid() == 0 {
		attributes.Account = nobody()
	}
	for range 20 {
		c := b.script("alpha", "", attributes)
		c.Path = "/nowhere/x"
		for i := range 15 {
			c.Env = append(c.Env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 100<<10)))
		}
		p, err := b.Start(t.Context(), c)
		if err == nil {
			t.Fatalf("it started, and ended with %+v\n%s", wait(t, p), b.log("alpha"))
		}
		has(t, err.Error(), "/nowhere/x: the executable does not exist")
	}
}

func TestAttributesThatFail(t *testing.T) {
	needRoot(t)
	b := start(t, nil)
	closed := b.t.TempDir()
	os.Chmod(closed, 0o700)
	for name, c := range map[string]struct {
		change func(*process.Command)
		want   []string
	}{
		"limit": {func(c *process.Command) { c.Attributes.Limits = &spec.Limits{OpenFiles: new(spec.Limit(1 << 40))} },
			[]string{"process.limits.openFiles: set it to 1T: operation not permitted: the supervisor's hard limit is ", ": lower it, or raise the sysctl fs.nr_open"}},
		"directory": {func(c *process.Command) {
			c.Attributes.Account, c.Attributes.Nice, c.Dir = nobody(), 1, closed
		}, []string{"process.workingDir: enter " + closed + ": permission denied: make it a directory that the service's user may enter"}},
		"missing": {func(c *process.Command) { c.Attributes.Nice, c.Path = 1, "/nowhere/x" }, []string{"/nowhere/x: the executable does not exist: install it"}},
		"confined": {func(c *process.Command) {
			c.Attributes.Limits, c.Path = &spec.Limits{AddressSpace: new(spec.Limit(64 << 20))}, "/nowhere/y"
		}, []string{"/nowhere/y: the executable does not exist: install it"}},
		"user": {func(c *process.Command) { c.Attributes.Account, c.Dir = nobody(), closed }, []string{"/bin/sh: permission denied: let user 65534 execute the file and enter"}},
	} {
		command := b.script(name, "true", process.Attributes{})
		c.change(&command)
		_, err := b.Start(context.Background(), command)
		var e *StartError
		if !errors.As(err, &e) || e.Fix == "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q has no %q", name, err, w)
			}
		}
	}
	if names := left(t, b.dir); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
	b.Runner.o.Wrapper = nil
	c := b.script("beta", "true", process.Attributes{Nice: 1})
	if _, err := b.Start(context.Background(), c); err == nil || !strings.Contains(err.Error(), "need a wrapper") {
		t.Error(err)
	}
}

// A wrapper that never becomes its command, as on a mount that does not answer,
// is given up with the start.
func TestStuckWrapper(t *testing.T) {
	b := start(t, func(o *Options) { o.Wrapper = []string{"stuck"} })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := b.script("alpha", "true", process.Attributes{Nice: 1})
	result := make(chan error, 1)
	go func() {
		_, err := b.Start(ctx, c)
		result <- err
	}()
	eventually(t, "the wrapper runs", func() bool {
		text, err := os.ReadFile(recordPath(b.dir, "alpha"))
		return err == nil && strings.Contains(string(text), `"started"`)
	})
	cancel()
	select {
	case err := <-result:
		var e *StartError
		if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Path != c.Dir || !strings.Contains(err.Error(), "process.workingDir") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the start goes on")
	}
	if names := left(t, b.dir); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	if err := awaitExec(t.Context(), from, time.Millisecond); err == nil || !strings.Contains(err.Error(), "not within 1ms") {
		t.Errorf("for ever: %v", err)
	}
}

// A process that forks for ever goes with its group; a limit keeps it in bounds.
func TestForksForEver(t *testing.T) {
	needRoot(t)
	b := start(t, nil)
	// A user of this run: zombies count until somebody reaps them.
	uid := 61000 + (os.Getpid()+int(instances.Add(1)))%4000
	account := &process.Account{UID: uint32(uid), GID: 61000}
	c := b.script("bomb", "trap '' TERM; sleep 1000 & (while :; do sleep 1000 & done) & echo go; wait", process.Attributes{
		Account: account, Limits: &spec.Limits{Processes: new(spec.Limit(40))},
	})
	c.StopTimeout = 50 * time.Millisecond
	p := b.start(c)
	b.line("bomb", Stdout, "go")
	eventually(t, "it has what it may have", func() bool { return processesOf(t, uid) >= 38 })
	if n := processesOf(t, uid); n > 41 {
		t.Errorf("%d processes", n)
	}
	if err := p.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := processesOf(t, uid); n > 0 {
		t.Errorf("%d processes are left", n)
	}
}

func processesOf(t *testing.T, uid int) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var s unix.Stat_t
		if unix.Stat("/proc/"+e.Name(), &s) == nil && int(s.Uid) == uid {
			if b, err := os.ReadFile("/proc/" + e.Name() + "/stat"); err == nil && !strings.Contains(string(b), ") Z ") {
				n++
			}
		}
	}
	return n
}

// writableGroups is a place for control groups on this machine.
func writableGroups(t testing.TB) string {
	t.Helper()
	own, err := ownGroup()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(own, fmt.Sprintf("core-test-%d", os.Getpid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// What belongs to a control group cannot escape its kill, whatever session and
// environment it gives itself.
func TestGroup(t *testing.T) {
	dir := writableGroups(t)
	b := start(t, func(o *Options) { o.Groups = dir })
	c := b.script("alpha", `trap '' TERM
		env -i setsid sh -c 'trap "" TERM; exec >/dev/null 2>&1; while :; do sleep 1000; done' & echo fled $!; cat /proc/self/cgroup; wait`,
		process.Attributes{Resources: &spec.Resources{PidsMax: 50, MemoryMax: 1 << 30, CPUMax: 1500}})
	c.StopTimeout = 50 * time.Millisecond
	p := b.start(c)
	fled := b.pid("alpha", "fled ")
	if path := b.line("alpha", Stdout, "0::"); !strings.HasSuffix(path, "/alpha."+c.Instance) {
		t.Errorf("it runs in %s", path)
	}
	unenforced := p.(process.Bounded).Unenforced()
	for _, x := range settingsOf(c.Attributes.Resources) {
		value, err := os.ReadFile(filepath.Join(dir, groupsName(b.dir), "alpha."+c.Instance, x.file))
		if said := strings.Contains(unenforced, x.member+" ("); said == (err == nil) {
			t.Errorf("%s is %q, %v, but said to be %q", x.file, value, err, unenforced)
		}
		if err == nil && strings.TrimSpace(string(value)) != x.value {
			t.Errorf("%s: %q, want %q", x.file, value, x.value)
		}
	}
	t.Log(unenforced)
	if err := p.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if running(fled) {
		t.Error("a process escaped")
	}
	b.stop()
	if _, err := os.Stat(filepath.Join(dir, groupsName(b.dir))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control group is left: %v", err)
	}
}

// Where there can be no control group the process runs, and it is said why.
func TestNoGroup(t *testing.T) {
	b := start(t, func(o *Options) { o.Groups = "/proc/nowhere" })
	p := b.start(b.script("alpha", "true", process.Attributes{Resources: &spec.Resources{PidsMax: 5}}))
	if x := wait(t, p); !x.OK() {
		t.Errorf("%+v", x)
	}
	if got := p.(process.Bounded).Unenforced(); !strings.HasPrefix(got, "resources are not enforced: the control group /proc/nowhere is not writable") {
		t.Error(got)
	}
}

// A group with processes of its own can hand on controllers once it was given to
// this node.
func TestEvacuate(t *testing.T) {
	needRoot(t)
	dir := writableGroups(t)
	handOn(t, dir)
	c := inhabit(t, dir)
	if err := enable(dir, c); err == nil || !strings.Contains(err.Error(), "has processes of its own: give the node a group to itself") {
		t.Fatalf("not delegated: %v", err)
	}
	if err := unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Skip(err)
	}
	if err := enable(dir, c); err != nil {
		t.Error(err)
	}
}

// inhabit runs a process in a control group until the test ends, and returns a
// controller that the group may hand on.
func inhabit(t *testing.T, dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil || len(strings.Fields(string(b))) == 0 {
		t.Skip("no controllers of version 2 here: ", err)
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	proc, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proc.Kill()
		proc.Wait()
		os.Remove(filepath.Join(dir, "core-node"))
	})
	return strings.Fields(string(b))[0]
}

// handOn makes the parent of a group hand on what it has, as far as this machine
// allows it.
func handOn(t *testing.T, dir string) {
	control := filepath.Join(filepath.Dir(dir), "cgroup.subtree_control")
	before, err := os.ReadFile(control)
	if err != nil || len(strings.TrimSpace(string(before))) > 0 {
		return
	}
	all, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "cgroup.controllers"))
	for c := range strings.FieldsSeq(string(all)) {
		if writeKernelFile(control, "+"+c) == nil {
			t.Cleanup(func() { writeKernelFile(control, "-"+c) })
			return
		}
	}
}

func TestSettings(t *testing.T) {
	var text []string
	for _, s := range settingsOf(&spec.Resources{MemoryMax: 5, MemoryHigh: 4, CPUMax: 1500, CPUWeight: 50, PidsMax: 9, IOWeight: 7}) {
		text = append(text, s.controller+" "+s.file+" "+s.value)
	}
	for _, s := range settingsOf(&spec.Resources{CPUMax: 1}) {
		text = append(text, s.value)
	}
	if got := strings.Join(text, "; "); got != "memory memory.max 5; memory memory.high 4; cpu cpu.max 150000 100000; cpu cpu.weight 50; pids pids.max 9; io io.weight default 7; 1000 1000000" {
		t.Error(got)
	}
}
