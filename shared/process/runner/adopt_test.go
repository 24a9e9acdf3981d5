//go:build linux

package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// superviseUntilKilled is a supervisor in a process of its own. Its arguments are
// the runner's directory, that of the logs, and "start:id:program:arg…" or
// "adopt:id". It tells "started id pid" and "ended id exit".
func superviseUntilKilled(args []string) {
	r := New(Options{Dir: args[0]})
	go r.Run(context.Background())
	for _, order := range args[2:] {
		f := strings.Split(order, ":")
		var p process.Process
		var err error
		if id := f[1]; f[0] == "adopt" {
			p, err = r.Adopt(context.Background(), id)
		} else {
			path, _ := os.Executable()
			p, err = r.Start(context.Background(), process.Command{
				ID: id, Instance: fmt.Sprintf("s%d-%s", os.Getpid(), id), Path: path, Args: f[3:],
				Env: environment(f[2]), Stdout: filepath.Join(args[1], id+".log"), Note: "note of " + id,
			})
		}
		if err != nil || p == nil {
			fmt.Println("failed", f[1], p, err)
			continue
		}
		fmt.Println("started", f[1], p.PID())
		go func() {
			<-p.Done()
			x, _ := json.Marshal(p.Exit())
			fmt.Println("ended", f[1], string(x))
		}()
	}
	select {}
}

// supervisor is such a process.
type supervisor struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	pids  map[string]int
}

func supervise(t *testing.T, dir, logs string, orders ...string) *supervisor {
	t.Helper()
	return superviseBy(t, "supervisor", dir, logs, orders...)
}

func superviseBy(t *testing.T, program, dir, logs string, orders ...string) *supervisor {
	t.Helper()
	s := &supervisor{t: t, cmd: exec.Command(self(t), append([]string{dir, logs}, orders...)...), lines: make(chan string, 1000), pids: map[string]int{}}
	s.cmd.Env = append(os.Environ(), programVar+"="+program)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	t.Cleanup(s.kill)
	for _, order := range orders {
		id := strings.Split(order, ":")[1]
		pid, err := strconv.Atoi(s.await("started " + id + " "))
		if err != nil {
			t.Fatal(err)
		}
		s.pids[id] = pid
	}
	return s
}

// await returns the rest of the next line that has a prefix.
func (s *supervisor) await(prefix string) string {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case l, ok := <-s.lines:
			if rest, found := strings.CutPrefix(l, prefix); found {
				return rest
			}
			if !ok || strings.HasPrefix(l, "failed") {
				s.t.Fatalf("waiting for %q: %q", prefix, l)
			}
		case <-limit:
			s.t.Fatalf("%q never came", prefix)
		}
	}
}

// kill is kill -9, and returns when it is gone.
func (s *supervisor) kill() {
	s.cmd.Process.Kill()
	for range s.lines {
	}
	s.cmd.Wait()
}

// subreaper makes orphans the children of this process.
func subreaper(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) adopt(id string) process.Process {
	b.t.Helper()
	p, err := b.Adopt(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// A supervisor is killed while its child writes: each line is in the log once.
func TestKilledSupervisorLosesNothing(t *testing.T) {
	subreaper(t)
	const n = 150_000
	for round := range 3 {
		dir, logs := t.TempDir(), t.TempDir()
		s := supervise(t, dir, logs, fmt.Sprint("start:one:count:", n))
		log := filepath.Join(logs, "one.log")
		eventually(t, "some output", func() bool {
			info, err := os.Stat(log)
			return err == nil && info.Size() > int64(round)*200_000
		})
		s.kill()
		b := startIn(t, dir, logs, nil)
		p := b.adopt("one")
		if p == nil || p.PID() != s.pids["one"] {
			t.Fatalf("round %d: adopted %v, want pid %d", round, p, s.pids["one"])
		}
		if r := p.(process.Recorded); !r.Adopted() || r.Note() != "note of one" || r.Digest() == "" {
			t.Errorf("adopted %v, note %q", r.Adopted(), r.Note())
		}
		if x := wait(t, p); !x.OK() || len(x.LastLines) != keptLines || x.LastLines[keptLines-1] != fmt.Sprint("line ", n-1) {
			t.Errorf("exit %+v", x)
		}
		b.stop()
		checkCounted(t, b.log("one"), n)
	}
}

// The same with many children at once: none is lost, doubled or restarted. Those
// that end before they are adopted leave their last words to the reaper.
func TestKilledSupervisorOfMany(t *testing.T) {
	const children, n = 40, 1000
	dir, logs := t.TempDir(), t.TempDir()
	reaper(t, dir)
	var orders []string
	for i := range children {
		orders = append(orders, fmt.Sprintf("start:s%d:pace:%d", i, n))
	}
	s := supervise(t, dir, logs, orders...)
	eventually(t, "some output of all", func() bool {
		return len(Tail(filepath.Join(logs, fmt.Sprintf("s%d.log", children-1)), 20)) == 20
	})
	s.kill()
	b := startIn(t, dir, logs, nil)
	ids, err := b.Recorded()
	if err != nil || len(ids) != children {
		t.Fatalf("recorded %d: %v", len(ids), err)
	}
	began := time.Now()
	var ps []process.Process
	for _, id := range ids {
		p := b.adopt(id)
		if p == nil {
			p = b.Ended(id)
		}
		if p == nil || p.PID() != s.pids[id] {
			t.Fatalf("adopted %v, want pid %d", p, s.pids[id])
		}
		ps = append(ps, p)
	}
	t.Logf("%d adopted in %v", len(ps), time.Since(began))
	for i, p := range ps {
		if x := wait(t, p); !x.OK() {
			t.Errorf("exit of %s: %+v", ids[i], x)
		}
		checkCounted(t, b.log(ids[i]), n)
	}
}

func checkCounted(t *testing.T, log string, n int) {
	t.Helper()
	i := 0
	for l := range strings.Lines(log) {
		if l != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("line %d of the log is %q", i, l)
		}
		i++
	}
	if n >= 0 && i != n {
		t.Errorf("%d lines in the log, want %d", i, n)
	}
}

// Runners in one process hand over: the next on the directory continues.
func TestHandOver(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "count", "100000")
	c.Stderr = filepath.Join(b.logs, "one.err")
	p := b.start(c)
	for range 3 {
		b.line("one", Stdout, "line")
		b.stop()
		select {
		case <-p.Done():
			t.Log("it ended before the hand-over")
		default:
		}
		b = startIn(t, b.dir, b.logs, nil)
		if p = b.adopt("one"); p == nil {
			break
		}
	}
	if p == nil {
		p = b.Ended("one")
	}
	if x := wait(t, p); !x.OK() {
		t.Errorf("exit %+v", x)
	}
	checkCounted(t, b.log("one"), 100000)
}

// What ends while nobody supervises it: its exit and its last words are kept.
func TestEndedMeanwhile(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	reaped := reaper(t, dir)
	s := supervise(t, dir, logs, "start:one:polite", "start:two:family")
	eventually(t, "it waits", func() bool { b, _ := os.ReadFile(filepath.Join(logs, "one.log")); return len(b) > 0 })
	var grandchild int
	eventually(t, "the grandchild", func() bool {
		b, _ := os.ReadFile(filepath.Join(logs, "two.log"))
		grandchild = childIn(string(b))
		return grandchild > 0 && strings.Contains(string(b), "waiting")
	})
	s.kill()
	syscall.Kill(s.pids["one"], syscall.SIGINT)
	syscall.Kill(s.pids["two"], syscall.SIGKILL)
	got := map[string]events.ProcessReaped{}
	for range 2 {
		r := <-reaped
		got[r.id] = r.ProcessReaped
	}
	if r := got["one"]; r.PID != s.pids["one"] || r.Code != 0 || r.Signal != "" || r.Start == 0 {
		t.Errorf("reaped %+v", r)
	}
	if r := got["two"]; r.Code != -1 || r.Signal != "SIGKILL" {
		t.Errorf("reaped %+v", r)
	}
	b := startIn(t, dir, logs, nil)
	if ids, err := b.Recorded(); err != nil || !slices.Equal(ids, []string{"one", "two"}) {
		t.Errorf("recorded %v %v", ids, err)
	}
	for range 2 { // the answer stays the same
		for _, id := range []string{"one", "two"} {
			if p := b.adopt(id); p != nil {
				t.Fatalf("adopted %v", p)
			}
		}
		one, two := b.Ended("one"), b.Ended("two")
		if x := one.Exit(); !x.OK() || !slices.Equal(x.LastLines, []string{"waiting", "got interrupt"}) || one.PID() != s.pids["one"] {
			t.Errorf("exit of one: %+v", x)
		}
		if x := two.Exit(); x.Signal != "SIGKILL" || x.Unknown {
			t.Errorf("exit of two: %+v", x)
		}
	}
	if running(grandchild) {
		t.Error("the grandchild of an ended process runs on")
	}
	if got := b.log("one"); got != "waiting\ngot interrupt\n" {
		t.Errorf("log %q", got)
	}
	if b.Ended("three") != nil {
		t.Error("an unknown id has ended")
	}
	for _, id := range []string{"one", "two"} {
		if err := b.Forget(id); err != nil {
			t.Error(err)
		}
	}
	if names := left(t, dir); len(names) != 0 {
		t.Errorf("left %q", names)
	}
}

// A stranger with the recorded pid is not adopted, and not touched.
func TestReusedPID(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "wait")
	b.line("one", Stdout, "waiting")
	b.stop()
	record := recordPath(b.dir, "one")
	good, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	j, err := parseJournal("one", good)
	if err != nil || j.started.PID != p.PID() {
		t.Fatalf("%+v %v", j, err)
	}
	stop := func() {
		syscall.Kill(p.PID(), syscall.SIGKILL)
		syscall.Wait4(p.PID(), nil, 0, nil)
	}
	defer stop()
	for name, change := range map[string]string{
		// The instance's name is another too, or the process would rightly be
		// found to be a descendant of the instance that ended.
		"start time": strings.NewReplacer(fmt.Sprint(`"start":`, j.started.Start), `"start":77`, j.Instance, "other").Replace(string(good)),
		"boot":       strings.Replace(string(good), j.Boot, "00000000-0000-0000-0000-000000000000", 1),
	} {
		if change == string(good) {
			t.Fatal("nothing changed")
		}
		if err := os.WriteFile(record, []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
		b := startIn(t, b.dir, b.logs, nil)
		os.Remove(fifoPath(b.dir, "one", Stdout)) // or the FIFO would tell
		os.Remove(fifoPath(b.dir, "one", Stderr))
		if p := b.adopt("one"); p != nil {
			t.Errorf("%s: adopted a stranger: %v", name, p)
		}
		if !running(p.PID()) {
			t.Fatalf("%s: the stranger was ended", name)
		}
		if ended := b.Ended("one"); name == "boot" && (ended != nil || len(left(t, b.dir)) != 0) {
			t.Errorf("of another boot: %v, left %q", ended, left(t, b.dir))
		} else if name != "boot" && !ended.Exit().Unknown {
			t.Errorf("exit %+v", ended.Exit())
		}
		b.stop()
	}
}

// The supervisor died between the fork and the record of its pid.
func TestIntentOnly(t *testing.T) {
	for _, clean := range []bool{false, true} {
		b := start(t, nil)
		c := b.command("one", "wait")
		if clean { // a program that hides its environment
			c.Path, c.Args = "/usr/bin/env", []string{"-i", "sleep", "600"}
		}
		p := b.start(c)
		b.stop()
		record := recordPath(b.dir, "one")
		text, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := bytes.Cut(text, []byte("\n"))
		torn := append(slices.Clone(first), []byte("\n{\"started\":{\"pi")...)
		if err := os.WriteFile(record, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		b = startIn(t, b.dir, b.logs, nil)
		again := b.adopt("one")
		if again == nil || again.PID() != p.PID() || again.Instance() != c.Instance {
			t.Fatalf("clean %v: adopted %v, want pid %d", clean, again, p.PID())
		}
		killNow(again)
		if x := again.Exit(); x.Signal == "" {
			t.Errorf("exit %+v", x)
		}
		if running(p.PID()) || len(left(t, b.dir)) != 0 {
			t.Errorf("running %v, left %q", running(p.PID()), left(t, b.dir))
		}
		// The same record with nothing running.
		if err := os.WriteFile(record, append(first, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := b.adopt("one"); p != nil {
			t.Errorf("adopted %v of an intent that came to nothing", p)
		}
		if p := b.Ended("one"); p == nil || p.PID() != 0 || p.Instance() != c.Instance || !p.Exit().Unknown {
			t.Errorf("an intent that came to nothing: %v", p)
		}
		if err := b.Forget("one"); err != nil || len(left(t, b.dir)) != 0 {
			t.Errorf("forget: %v, left %q", err, left(t, b.dir))
		}
	}
}

func TestBadRecords(t *testing.T) {
	b := start(t, nil)
	if p := b.adopt("none"); p != nil {
		t.Errorf("adopted %v", p)
	}
	if _, err := b.Adopt(context.Background(), "a/b"); err == nil {
		t.Error("a path was taken for an id")
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                           "",
		`{"v":1`:                     "",
		"nonsense\n":                 "adopt one: read the record of one: invalid character",
		"{\"v\":2,\"id\":\"one\"}\n": `adopt one: read the record of one: version 2 of "one": want version 1 of "one": end what may still run of it and remove ` + recordPath(b.dir, "one"),
	} {
		if err := os.WriteFile(recordPath(b.dir, "one"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := b.Adopt(context.Background(), "one")
		if p != nil || (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v %v, want %q", text, p, err, want)
		}
	}
}

// The adopting supervisor is not the parent: the reaper's word comes through the
// record.
func TestExitToldByReaper(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	reaped := reaper(t, dir)
	first := supervise(t, dir, logs, "start:one:wait", "start:two:polite")
	eventually(t, "it waits", func() bool {
		one, two := Tail(filepath.Join(logs, "one.log"), 1), Tail(filepath.Join(logs, "two.log"), 1)
		return len(one) > 0 && len(two) > 0
	})
	first.kill()
	second := supervise(t, dir, logs, "adopt:one", "adopt:two")
	if first.pids["one"] != second.pids["one"] || first.pids["two"] != second.pids["two"] {
		t.Fatalf("pids %v, then %v", first.pids, second.pids)
	}
	syscall.Kill(first.pids["one"], syscall.SIGTERM)
	if r := <-reaped; r.id != "one" || r.Signal != "SIGTERM" {
		t.Errorf("reaped %+v", r)
	}
	var x process.Exit
	if err := json.Unmarshal([]byte(second.await("ended one ")), &x); err != nil || x.Signal != "SIGTERM" || x.Unknown || !slices.Equal(x.LastLines, []string{"waiting"}) {
		t.Errorf("exit %+v %v", x, err)
	}
	syscall.Kill(first.pids["two"], syscall.SIGTERM)
	if err := json.Unmarshal([]byte(second.await("ended two ")), &x); err != nil || x.Code != 0 || x.Signal != "" || !slices.Equal(x.LastLines, []string{"waiting", "got terminated"}) {
		t.Errorf("exit %+v %v", x, err)
	}
	second.kill()
}

// Without a shared directory, the exit comes by Reaped; without anybody to tell
// it, it is unknown.
func TestReaped(t *testing.T) {
	for _, told := range []bool{true, false} {
		dir, logs, other := t.TempDir(), t.TempDir(), t.TempDir()
		s := supervise(t, dir, logs, "start:one:wait")
		text, err := os.ReadFile(recordPath(dir, "one"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordPath(other, "one"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, stream := range []string{Stdout, Stderr} {
			if err := makeFIFO(fifoPath(other, "one", stream)); err != nil {
				t.Fatal(err)
			}
		}
		b := startIn(t, other, logs, nil)
		p := b.adopt("one")
		j, _ := load(dir, "one")
		syscall.Kill(p.PID(), syscall.SIGKILL)
		if told {
			b.Reaped(events.ProcessReaped{PID: p.PID(), Start: 1, Code: 9}) // another one
			b.Reaped(events.ProcessReaped{PID: p.PID(), Start: j.started.Start, Code: -1, Signal: "SIGKILL"})
		}
		if x := wait(t, p); x.Unknown == told || told && x.Signal != "SIGKILL" {
			t.Errorf("told %v: exit %+v", told, x)
		}
		s.kill()
	}
}

func TestDigest(t *testing.T) {
	c := process.Command{Path: "/a", Args: []string{"b", "c"}, Env: []string{"X=1"}}
	same := c
	same.Instance, same.ID, same.Stdout = "i", "x", "/log"
	if Digest(c) != Digest(same) {
		t.Error("the digest depends on the instance")
	}
	for _, other := range []process.Command{
		{Path: "/ab", Args: []string{"c"}, Env: []string{"X=1"}},
		{Path: "/a", Args: []string{"bc"}, Env: []string{"X=1"}},
		{Path: "/a", Args: []string{"b"}, Env: []string{"c", "X=1"}},
		{Path: "/a", Args: []string{"b", "c"}, Env: []string{"X=1"}, Dir: "/"},
	} {
		if Digest(c) == Digest(other) {
			t.Errorf("%+v has the same digest", other)
		}
	}
}

// reported is what a reaper reported.
type reported struct {
	id string
	events.ProcessReaped
}

func reaper(t *testing.T, dirs ...string) <-chan reported {
	t.Helper()
	c := make(chan reported, 100)
	r := &Reaper{Dirs: dirs, Report: func(id string, e events.ProcessReaped) { c <- reported{id, e} }}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	subreaper(t) // it does so itself, but perhaps not before the caller goes on
	return c
}
