//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reaper leaves children alone that somebody in its process waits for.
func TestReaperLeavesOwnChildren(t *testing.T) {
	b := start(t, nil)
	reaped := reaper(t, b.dir)
	for i := range 20 {
		cmd := exec.Command("/bin/sh", "-c", "exit 3")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: i%2 == 0}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p := b.run("one", "exit", "7")
		if x := wait(t, p); x.Code != 7 || x.Unknown {
			t.Errorf("exit %+v", x)
		}
		if err := cmd.Wait(); err == nil || err.Error() != "exit status 3" {
			t.Errorf("wait for a child: %v", err)
		}
	}
	select {
	case r := <-reaped:
		t.Errorf("reaped %+v", r)
	default:
	}
}

// childIn finds the child that a program named in its log, in which the child's own
// lines may come first; 0 if it has not yet.
func childIn(log string) int {
	for line := range strings.Lines(log) {
		var pid int
		if _, err := fmt.Sscanf(line, "child %d", &pid); err == nil {
			return pid
		}
	}
	return 0
}

// It reaps the orphans of others, recorded or not.
func TestReaperTakesOrphans(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	reaped := reaper(t, dir)
	s := supervise(t, dir, logs, "start:one:family", "start:two:fugitive")
	child := map[string]int{}
	for _, id := range []string{"one", "two"} {
		eventually(t, "the child", func() bool {
			text, _ := os.ReadFile(filepath.Join(logs, id+".log"))
			child[id] = childIn(string(text))
			return child[id] > 0 && strings.Contains(string(text), "waiting")
		})
	}
	s.kill()
	for _, pid := range []int{s.pids["one"], s.pids["two"], child["one"], child["two"]} {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for range 2 {
		if r := <-reaped; r.Signal != "SIGKILL" || s.pids[r.id] != r.PID {
			t.Errorf("reaped %+v", r)
		}
	}
	began := time.Now()
	for _, pid := range []int{s.pids["one"], s.pids["two"], child["one"], child["two"]} {
		eventually(t, "nothing is left", func() bool { _, err := readStat(pid); return err != nil })
	}
	if d := time.Since(began); d < time.Second {
		t.Errorf("an unknown leader of a session was reaped after %v: its parent had no time to wait for it", d)
	}
}

func TestChildren(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "wait")
	for name, list := range map[string][]int{"by task": children(os.Getpid()), "by parent": childrenByParent(os.Getpid())} {
		found := false
		for _, pid := range list {
			found = found || pid == p.PID()
		}
		if !found {
			t.Errorf("%s: %v misses %d", name, list, p.PID())
		}
	}
}

func TestParseStat(t *testing.T) {
	const rest = ") S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"
	want := stat{identity: identity{12, 987654}, State: 'S', Parent: 1, Group: 2, Session: 3}
	for _, name := range []string{"sleep", "a) b (c", "x\ny", "x) S -", ""} {
		if s, err := parseStat([]byte("12 (" + name + rest)); s != want || err != nil {
			t.Errorf("%q: %+v %v", name, s, err)
		}
	}
	for in, want := range map[string]string{
		"":              "no command name",
		"(x) S":         "no command name",
		"12 (x) S 1 2":  "3 fields after the command, want 20 or more",
		"ab (x" + rest:  "invalid syntax",
		"12 )x(" + rest: "invalid syntax",
	} {
		if s, err := parseStat([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v %v, want %q", in, s, err, want)
		}
	}
	s, err := readStat(os.Getpid())
	if err != nil || s.PID != os.Getpid() || s.Start == 0 || s.Start > ticks() || s.ended() {
		t.Errorf("own stat %+v %v, now %d", s, err, ticks())
	}
	if _, err := readStat(1 << 30); !os.IsNotExist(err) {
		t.Errorf("no such process: %v", err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (sleep) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, b []byte) { parseStat(b) })
}

func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"one","instance":"i"}` + "\n" + `{"started":{"pid":1,"start":2}}` + "\n" + `{"exit":{"pid":1,"start":2,"code":3}}` + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if j, err := parseJournal("one", b); j != nil && err == nil && (j.ID != "one" || j.Instance == "") {
			t.Errorf("%+v", j)
		}
	})
}

func FuzzInotify(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &holder{dir: "/nonexistent", held: map[string]int{}, log: New(Options{}).o.Log}
		h.events(b)
	})
}
