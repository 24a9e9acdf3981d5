//go:build linux

package runner

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
)

// shell is a command that runs a script.
func (b *bench) shell(id, script string, o process.Output) process.Command {
	c := b.command(id, "x")
	c.Path, c.Args, c.Output = "/bin/sh", []string{"-c", script}, o
	return c
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return c != nil
	default:
		return false
	}
}

// matched waits for the line that a process is looked at for.
func matched(t *testing.T, p process.Process) {
	t.Helper()
	select {
	case <-p.(process.Noticer).Matched():
	case <-time.After(20 * time.Second):
		t.Fatal("no line has matched")
	}
}

// A line is found in a flood of which next to nothing travels, on either stream.
func TestLineIsFoundInAFlood(t *testing.T) {
	for _, to := range []string{"", " >&2"} {
		b := start(t, func(o *Options) { o.LineRate = 1 })
		p := b.start(b.shell("one", "seq 30000; echo now ready"+to+"; seq 30000; exec sleep 600", process.Output{Pattern: "^now ready$"}))
		matched(t, p)
		never := b.start(b.shell("two", "echo is not ready; echo", process.Output{Pattern: "^ready"}))
		wait(t, never)
		if isClosed(never.(process.Noticer).Matched()) {
			t.Error("a line that does not match did")
		}
		if n := b.run("three", "exit", "0").(process.Noticer); n.Matched() != nil || n.Dropped() != nil {
			t.Error("what nobody looks for is noticed")
		}
	}
}

// What has matched is known to the next supervisor; what nobody looked at is in
// the log; what comes later is looked at.
func TestMatchOutlivesItsSupervisor(t *testing.T) {
	for name, stamps := range map[string]bool{"plain": false, "with times": true} {
		o := process.Output{Pattern: "^ready", Timestamps: stamps}
		b := start(t, nil)
		one := b.start(b.shell("one", "echo ready; exec sleep 600", o))
		matched(t, one)
		b.start(b.shell("two", "echo waiting; read x; echo ready; exec sleep 600", o)).(*proc).find.once.Do(func() {}) // as if nobody looked
		b.line("two", Stdout, "waiting")
		go_ := filepath.Join(b.dir, "go")
		b.start(b.shell("three", "echo waiting; until test -e "+go_+"; do sleep 0.01; done; echo ready; exec sleep 600", o))
		b.line("three", Stdout, "waiting")
		b.stop()
		if err := os.Truncate(filepath.Join(b.logs, "one.log"), 0); err != nil {
			t.Fatal(err)
		}
		b = startIn(t, b.dir, b.logs, nil)
		matched(t, b.adopt("one"))
		matched(t, b.adopt("two"))
		three := b.adopt("three")
		if isClosed(three.(process.Noticer).Matched()) {
			t.Errorf("%s: it has not written that line", name)
		}
		if err := os.WriteFile(go_, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		matched(t, three)
	}
}

// Times stand before each line of the file, and nowhere else.
func TestTimestamps(t *testing.T) {
	b := start(t, func(o *Options) { o.LogSize = 3000 })
	c := b.shell("one", "printf 'a\\r\\n'; printf b; printf 'c\\n'; seq 2000; echo oops >&2; printf end", process.Output{Timestamps: true})
	c.Stderr = filepath.Join(b.logs, "one.err")
	x := wait(t, b.start(c))
	b.stop()
	var texts []string
	line := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)$`)
	for l := range strings.Lines(whole(t, filepath.Join(b.logs, "one.log"))) {
		m := line.FindStringSubmatch(strings.TrimRight(l, "\r\n"))
		if m == nil {
			t.Fatalf("no time before %q", l)
		}
		texts = append(texts, m[1])
	}
	if len(texts) != 2003 || texts[0] != "a" || texts[1] != "bc" || texts[2] != "1" || texts[2002] != "end" {
		t.Errorf("%d lines: %.200q", len(texts), texts)
	}
	if got := b.lines["one stdout"]; got[0].Text != "a" || got[len(got)-1].Text != "end" || x.LastLines[len(x.LastLines)-1] == "" {
		t.Errorf("told %+v; kept %q", got[0], x.LastLines)
	}
	if files, _ := filepath.Glob(filepath.Join(b.logs, "one.log.*")); len(files) == 0 {
		t.Error("it was not rotated")
	}
}

// A service's own size and number of files.
func TestSizeAndNumberOfFiles(t *testing.T) {
	b := start(t, nil)
	wait(t, b.start(b.shell("one", "for i in 1 2 3 4 5 6; do seq 1000 1999; sleep 0.02; done", process.Output{MaxSize: 2000, MaxFiles: 3})))
	b.stop()
	files, _ := filepath.Glob(filepath.Join(b.logs, "one.log*"))
	if len(files) != 4 {
		t.Errorf("files %q, want the log and three", files)
	}
	if got := whole(t, filepath.Join(b.logs, "one.log")); !strings.HasSuffix(got, "1999\n") {
		t.Errorf("the newest lines are gone: …%q", got[max(0, len(got)-20):])
	}
}

// Traces travel as one, with their level, and what comes too fast is counted and
// noticed. The last words come although nothing more may travel.
func TestOutputThatTravels(t *testing.T) {
	b := start(t, nil)
	p := b.start(b.shell("one", `echo 'ERROR no'; printf '\tat a\n\tat b\n'; echo next; exec sleep 600`, process.Output{Multiline: `^\s`}))
	b.line("one", Stdout, "next") // the pause releases it
	b.mu.Lock()
	got := b.lines["one stdout"]
	if got[0].Text != "ERROR no\n\tat a\n\tat b" || got[0].Level != events.LevelError || got[1].Level != "" {
		t.Errorf("told %+v", got)
	}
	b.mu.Unlock()
	killNow(p)

	p = b.start(b.shell("two", "seq 5000; seq 5000 >&2; echo 'panic: no'; kill -9 $$", process.Output{Rate: 10, Per: time.Hour}))
	x := wait(t, p)
	b.stop()
	out, errs := b.lines["two stdout"], b.lines["two stderr"]
	sum := 0
	for _, l := range append(out, errs...) {
		sum += l.Dropped + 1
	}
	if last := out[len(out)-1]; last.Text != "panic: no" || last.Level != events.LevelFatal || sum != 10001 || len(out)+len(errs) > 12 {
		t.Errorf("%d and %d lines for %d; last %+v", len(out), len(errs), sum, last)
	}
	if x.Signal != "SIGKILL" {
		t.Errorf("exit %+v", x)
	}
	if n := <-p.(process.Noticer).Dropped(); n <= 0 || n > 9990 {
		t.Errorf("noticed %d dropped lines", n)
	}
	if _, err := New(Options{Dir: b.dir}).Start(context.Background(), b.shell("bad", "x", process.Output{Multiline: "("})); err == nil || !strings.Contains(err.Error(), "multiline pattern") {
		t.Errorf("a pattern that is none: %v", err)
	}
}
