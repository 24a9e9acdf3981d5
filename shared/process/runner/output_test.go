//go:build linux

package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/testutil/testproc"
)

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Bytes come to the file as they were written, whatever they are, and to the sink
// in lines.
func TestBytes(t *testing.T) {
	random := make([]byte, 300_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for name, data := range map[string][]byte{
		"empty":       nil,
		"no newline":  []byte("abc"),
		"crlf":        []byte("a\r\nb\r\n\r\n"),
		"binary":      {0xff, 0xfe, '\n', 0, '\n', 0xc3, 0x28},
		"random":      random,
		"1 MB line":   append(bytes.Repeat([]byte("x"), 1<<20), "\nnext\n"...),
		"1 MB no end": bytes.Repeat([]byte("y"), 1<<20),
		"16 KiB":      append(bytes.Repeat([]byte("z"), maxLine), '\n'),
		"newlines":    bytes.Repeat([]byte{'\n'}, 500),
	} {
		b := start(t, func(o *Options) { o.LineRate = 1 << 30 })
		c := b.command("one", "print", writeFile(t, data), "done")
		c.Stderr = filepath.Join(b.logs, "one.err")
		x := wait(t, b.start(c))
		b.stop()
		if got := b.log("one"); got != string(data) {
			t.Errorf("%s: %d bytes in the log, want %d", name, len(got), len(data))
		}
		if bytes.Count(data, []byte{'\n'}) < keptLines-5 && !slices.Contains(x.LastLines, "done") {
			t.Errorf("%s: last lines %q", name, x.LastLines)
		}
		checkLines(t, name, b.lines["one stdout"], data)
	}
}

// checkLines compares the lines of a sink with what was written, as far as they
// were not dropped.
func checkLines(t *testing.T, name string, got []events.LogLine, data []byte) {
	t.Helper()
	want := reference(data)
	i := 0
	for _, l := range got {
		i += l.Dropped
		text := l.Text
		if l.Raw != nil {
			text = string(l.Raw)
		}
		if i >= len(want) || text != want[i] {
			t.Fatalf("%s: line %d of %d is %.40q, want %.40q", name, i, len(want), text, want[min(i, len(want)-1)])
		}
		if len(l.Raw) > 0 && l.Text != "" || l.Time.IsZero() {
			t.Errorf("%s: line %+v", name, l)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%s: %d lines told, want %d", name, i, len(want))
	}
}

func TestRateLimit(t *testing.T) {
	b := start(t, func(o *Options) { o.LineRate = 10 })
	x := wait(t, b.run("one", "count", "5000"))
	b.stop()
	got := b.lines["one stdout"]
	sum := 0
	for _, l := range got {
		sum += l.Dropped + 1
	}
	if sum != 5000 || len(got) > 100 {
		t.Errorf("%d lines stand for %d, want 5000", len(got), sum)
	}
	if last := got[len(got)-1]; last.Text != "line 4999" || x.LastLines[keptLines-1] != "line 4999" || x.LastLines[0] != "line 4980" {
		t.Errorf("last line %+v; kept %q", last, x.LastLines)
	}
	checkCounted(t, b.log("one"), 5000)
}

// What was dropped is told in time although nothing more is written.
func TestDroppedIsTold(t *testing.T) {
	b := start(t, func(o *Options) { o.LineRate = 10 })
	c := b.command("one", "x")
	c.Path, c.Args = "/bin/sh", []string{"-c", "seq 100; exec sleep 600"}
	b.start(c)
	b.line("one", Stdout, "100")
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.lines["one stdout"]
	if last := got[len(got)-1]; last.Text != "100" || last.Dropped != 89 {
		t.Errorf("last line %+v", last)
	}
}

// A sink that hangs does not hold up a child.
func TestHangingSink(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	var got []events.LogLine
	b := start(t, func(o *Options) {
		o.LineRate = 1 << 30
		o.Sink = func(id, stream string, l events.LogLine) {
			once.Do(func() { <-release })
			got = append(got, l)
		}
	})
	x := wait(t, b.run("one", "count", "20000"))
	if !x.OK() {
		t.Errorf("exit %+v", x)
	}
	checkCounted(t, b.log("one"), 20000)
	close(release)
	b.stop()
	if len(got) == 0 || len(got) >= 20000 || got[0].Text != "line 0" {
		t.Errorf("%d lines told", len(got))
	}
}

// A sink that hangs does not keep the runner from letting go of its processes; what
// was on its way arrives all the same.
func TestHangingSinkWhileLettingGo(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	var got []events.LogLine
	r := New(Options{Dir: t.TempDir(), Sink: func(_, _ string, l events.LogLine) {
		if len(got) == 0 {
			close(entered)
			<-release
		}
		got = append(got, l)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	b := &bench{Runner: r, t: t, logs: t.TempDir()}
	if x := wait(t, b.run("one", "count", "3")); !x.OK() {
		t.Errorf("exit %+v", x)
	}
	<-entered
	cancel()
	eventually(t, "the runner lets go", r.closing)
	if _, err := r.Start(t.Context(), b.command("two", "count", "1")); !errors.Is(err, errClosed) {
		t.Errorf("start while it lets go: %v", err)
	}
	select {
	case err := <-ended:
		t.Errorf("it returned with lines on their way: %v", err)
	default:
	}
	close(release)
	if err := <-ended; err != nil || len(got) != 3 {
		t.Errorf("%d lines told, %v", len(got), err)
	}
}

func TestClosedOutput(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "mute")
	eventually(t, "both streams end", func() bool {
		b, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
		has := false
		for _, e := range b {
			has = has || e.Name() == "1" || e.Name() == "2"
		}
		return err == nil && len(b) > 0 && !has
	})
	if err := p.Stop(context.Background()); err != nil || p.Exit().Code != 4 {
		t.Errorf("stop: %v, exit %+v", err, p.Exit())
	}
}

func TestNoLogFile(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "print", writeFile(t, []byte("a\nb\n")))
	c.Stdout = ""
	if x := wait(t, b.start(c)); !slices.Equal(x.LastLines, []string{"a", "b"}) || b.Lost() != 0 {
		t.Errorf("exit %+v, lost %d", x, b.Lost())
	}
}

// Two processes with one log file, as two services may have.
func TestSharedLog(t *testing.T) {
	b := start(t, func(o *Options) { o.LogSize = 100_000 })
	var ps []process.Process
	for _, id := range []string{"one", "two"} {
		c := b.command(id, "count", "20000")
		c.Stdout = filepath.Join(b.logs, "shared.log")
		ps = append(ps, b.start(c))
	}
	for _, p := range ps {
		wait(t, p)
	}
	seen := map[string]int{}
	for l := range strings.Lines(whole(t, filepath.Join(b.logs, "shared.log"))) {
		seen[l]++
	}
	for i := range 20000 {
		if n := seen[fmt.Sprintf("line %d\n", i)]; n != 2 {
			t.Fatalf("line %d is there %d times", i, n)
		}
	}
}

// whole returns what a log and its rotated files have.
func whole(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	if len(files) > 0 && files[0] == path {
		files = append(files[1:], path)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// A full disk loses output, but does not block the child, and says so.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	var logged testproc.Buffer
	b := startIn(t, t.TempDir(), dir, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
	const n = 60_000
	x := wait(t, b.run("one", "count", fmt.Sprint(n)))
	if !x.OK() || x.LastLines[keptLines-1] != fmt.Sprint("line ", n-1) {
		t.Errorf("exit %+v", x)
	}
	total := int64(0)
	for i := range n {
		total += int64(len(fmt.Sprintf("line %d\n", i)))
	}
	if got := int64(len(b.log("one"))) + b.Lost(); b.Lost() == 0 || got != total {
		t.Errorf("%d bytes in the log and %d lost make %d, want %d", len(b.log("one")), b.Lost(), got, total)
	}
	if !strings.Contains(logged.String(), "output is lost") || !strings.Contains(logged.String(), "no space left on device") {
		t.Errorf("logged %s", logged.String())
	}
	// Even a new process starts, and its output is there once there is space.
	lost := b.Lost()
	hello := writeFile(t, []byte("hello\n"))
	if x := wait(t, b.run("two", "print", hello)); !x.OK() || b.Lost() != lost+6 {
		t.Errorf("exit %+v, lost %d", x, b.Lost()-lost)
	}
	if err := os.Remove(filepath.Join(dir, "one.log")); err != nil {
		t.Fatal(err)
	}
	if x := wait(t, b.run("two", "print", hello)); b.log("two") != "hello\n" {
		t.Errorf("log %q, exit %+v, lost %d, logged %s", b.log("two"), x, b.Lost()-lost, logged.String())
	}
}

func TestFullDevice(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "count", "1000")
	c.Stdout = "/dev/full"
	if x := wait(t, b.start(c)); !x.OK() || b.Lost() == 0 || x.LastLines[keptLines-1] != "line 999" {
		t.Errorf("exit %+v, lost %d", x, b.Lost())
	}
}

// TestFlood has the same bytes in the file that were written.
func TestFlood(t *testing.T) {
	b := start(t, nil)
	const size = 20 << 20
	wait(t, b.run("one", "flood", fmt.Sprint(size)))
	line := bytes.Repeat([]byte("0123456789abcdef"), 6)
	line[len(line)-1] = '\n'
	want, got := sha256.New(), sha256.New()
	for range size / len(line) {
		want.Write(line)
	}
	io.WriteString(got, whole(t, filepath.Join(b.logs, "one.log")))
	if !bytes.Equal(want.Sum(nil), got.Sum(nil)) {
		t.Error("the log differs from what was written")
	}
}

// BenchmarkCapture moves 50 MB from children through to their log files.
func BenchmarkCapture(b *testing.B) {
	for _, children := range []int{1, 50} {
		b.Run(fmt.Sprintf("children=%d", children), func(b *testing.B) {
			const size = 50_000_000
			b.SetBytes(size)
			for i := range b.N {
				bench := start(b, nil)
				begin := time.Now()
				var ps []process.Process
				for n := range children {
					ps = append(ps, bench.start(process.Command{
						ID: fmt.Sprint("s", n), Instance: fmt.Sprint("f", i, "-", n), Path: self(b), Args: []string{fmt.Sprint(size / children)},
						Env: []string{programVar + "=flood"}, Stdout: filepath.Join(bench.logs, fmt.Sprint(n, ".log")),
					}))
				}
				for _, p := range ps {
					<-p.Done()
				}
				b.ReportMetric(size/1e6/time.Since(begin).Seconds(), "MB/s-last")
				bench.stop()
			}
		})
	}
}
