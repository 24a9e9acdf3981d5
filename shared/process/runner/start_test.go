//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"core.internal/shared/process"
)

func TestExits(t *testing.T) {
	b := start(t, nil)
	for _, tt := range []struct {
		program, arg string
		code         int
		signal       string
	}{
		{"exit", "0", 0, ""},
		{"exit", "7", 7, ""},
		{"exit", "255", 255, ""},
		{"die", "9", -1, "SIGKILL"},
		{"die", "15", -1, "SIGTERM"},
	} {
		x := wait(t, b.run("one", tt.program, tt.arg))
		if x.Code != tt.code || x.Signal != tt.signal || x.Unknown {
			t.Errorf("%s %s: exit %+v, want code %d signal %q", tt.program, tt.arg, x, tt.code, tt.signal)
		}
		if tt.program == "exit" && !slices.Equal(x.LastLines, []string{"bye"}) {
			t.Errorf("%s: last lines %q", tt.arg, x.LastLines)
		}
		if x.OK() != (tt.arg == "0") {
			t.Errorf("%s: OK() = %v", tt.arg, x.OK())
		}
	}
	if got := b.log("one"); got != "bye\nbye\nbye\n" {
		t.Errorf("log %q", got)
	}
	if got := left(t, b.dir); !slices.Equal(got, []string{"one.proc", "one.stderr", "one.stdout"}) {
		t.Errorf("left in the directory: %q", got)
	}
	if err := b.Forget("one"); err != nil || len(left(t, b.dir)) != 0 {
		t.Errorf("forget: %v, left %q", err, left(t, b.dir))
	}
}

func TestEnvironment(t *testing.T) {
	b := start(t, nil)
	c := b.command("one", "env")
	c.Env = append(c.Env, "A=1", instanceVar+"=forged")
	c.Stderr = filepath.Join(b.logs, "one.err")
	wait(t, b.start(c))
	want := fmt.Sprintf("%s=%s\n%s=env\nGORACE=atexit_sleep_ms=0\nA=1\nwd %s\nstdin 0 <nil>\n", instanceVar, c.Instance, programVar, c.Dir)
	if got := b.log("one"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestSessionAndSecondStart(t *testing.T) {
	b := start(t, nil)
	p := b.run("one", "wait")
	b.line("one", Stdout, "waiting")
	s, err := readStat(p.PID())
	if err != nil || s.Session != p.PID() || s.Group != p.PID() {
		t.Errorf("stat %+v %v: want a session and group of its own", s, err)
	}
	_, err = b.Start(context.Background(), b.command("one", "wait"))
	if want := "runs already with pid"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second start: %v", err)
	}
	again, err := b.Adopt(context.Background(), "one")
	if err != nil || again != p {
		t.Errorf("adopt what runs here: %v %v", again, err)
	}
}

func TestStartErrors(t *testing.T) {
	b := start(t, nil)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := self(t)
	for _, tt := range []struct {
		name   string
		change func(*process.Command)
		want   string
	}{
		{"missing", func(c *process.Command) { c.Path = "/no/such" }, "start one: /no/such: the executable does not exist: install it, or correct process.command"},
		{"relative", func(c *process.Command) { c.Path = "sleep" }, "start one: sleep: the executable's path is not absolute: resolve the command before it is started"},
		{"directory", func(c *process.Command) { c.Path = dir }, "start one: " + dir + ": it is a directory, not an executable: correct process.command"},
		{"no x", func(c *process.Command) { c.Path = write("plain", "x", 0o644) }, ": the file is not executable: chmod +x it, or correct process.command"},
		{"no program", func(c *process.Command) { c.Path = write("text", "x", 0o755) }, ": it is no program for this machine, nor a script with a #! line: install the build for this platform"},
		{"no interpreter", func(c *process.Command) { c.Path = write("script", "#!/no/such -x\n", 0o755) }, ": its interpreter /no/such -x does not exist: install the interpreter, or correct the file"},
		{"device", func(c *process.Command) { c.Path = "/dev/null" }, "it is no regular file"},
		{"no dir", func(c *process.Command) { c.Dir = "/no/dir" }, "start one: /no/dir: the working directory does not exist: make it, or correct process.workingDir"},
		{"file as dir", func(c *process.Command) { c.Dir = good }, "the working directory is not a directory"},
		{"log is a directory", func(c *process.Command) { c.Stdout = dir }, "start one: " + dir + ": is a directory: make the log file writable"},
		{"log below a file", func(c *process.Command) { c.Stdout = good + "/x.log" }, "not a directory: make the log file writable"},
		{"stderr is a directory", func(c *process.Command) { c.Stderr = dir }, "start one: " + dir + ": is a directory"},
		{"id", func(c *process.Command) { c.ID = "a.b" }, `the name "a.b" has '.'`},
		{"instance", func(c *process.Command) { c.Instance = "" }, "a name is empty"},
		{"zero byte", func(c *process.Command) { c.Args = []string{"a\x00b"} }, "invalid argument"},
		{"too long", func(c *process.Command) { c.Args = []string{strings.Repeat("x", 3<<20)} }, "argument list too long: shorten process.args or process.env"},
	} {
		c := b.command("one", "wait")
		tt.change(&c)
		p, err := b.Start(context.Background(), c)
		var e *StartError
		if p != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v %v, want %q", tt.name, p, err, tt.want)
		}
		if got := left(t, b.dir); len(got) != 0 {
			t.Errorf("%s: left in the directory: %q", tt.name, got)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Start(ctx, b.command("one", "wait")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	b.stop()
	if _, err := b.Start(context.Background(), b.command("one", "wait")); !errors.Is(err, errClosed) {
		t.Errorf("after Run: %v", err)
	}
}

func TestUnwritableDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := startIn(t, filepath.Join(file, "run"), t.TempDir(), nil)
	_, err := b.Start(context.Background(), b.command("one", "wait"))
	if want := "not a directory"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestConcurrentStarts(t *testing.T) {
	b := start(t, nil)
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			p, err := b.Start(context.Background(), process.Command{
				ID: fmt.Sprint("s", i), Instance: fmt.Sprint("c", os.Getpid(), "-", i), Path: "/bin/sh", Args: []string{"-c", "echo $0; exit 5", fmt.Sprint(i)},
				Stdout: filepath.Join(b.logs, fmt.Sprint("s", i, ".log")),
			})
			if err != nil {
				t.Error(err)
				return
			}
			if x := wait(t, p); x.Code != 5 || !slices.Equal(x.LastLines, []string{fmt.Sprint(i)}) {
				t.Errorf("%d: %+v", i, x)
			}
		})
	}
	wg.Wait()
}

// A child that is killed is done at once: the figure is in the benchmark.
func BenchmarkKilledToDone(b *testing.B) {
	bench := start(b, nil)
	var took []time.Duration
	for i := range b.N {
		p := bench.start(process.Command{ID: "one", Instance: fmt.Sprint("k", i), Path: "/bin/sleep", Args: []string{"60"}, Stdout: filepath.Join(bench.logs, "one.log")})
		begin := time.Now()
		syscall.Kill(p.PID(), syscall.SIGKILL)
		<-p.Done()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkStart200(b *testing.B) {
	for _, concurrent := range []bool{false, true} {
		b.Run(fmt.Sprintf("concurrent=%v", concurrent), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				bench := start(b, nil)
				ps := make([]process.Process, 200)
				one := func(i int) {
					ps[i] = bench.start(process.Command{ID: fmt.Sprint("s", i), Instance: fmt.Sprint("b", i), Path: "/bin/sleep", Args: []string{"600"}, Env: os.Environ(), Stdout: filepath.Join(bench.logs, fmt.Sprint(i, ".log"))})
				}
				b.StartTimer()
				var wg sync.WaitGroup
				for i := range ps {
					if concurrent {
						wg.Go(func() { one(i) })
					} else {
						one(i)
					}
				}
				wg.Wait()
				b.StopTimer()
				begin := time.Now()
				for _, p := range ps {
					wg.Go(func() { p.Stop(context.Background()) })
				}
				wg.Wait()
				b.ReportMetric(float64(time.Since(begin).Milliseconds()), "stop-ms")
				bench.stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkMemory reports what a running process costs its supervisor.
func BenchmarkMemory(b *testing.B) {
	const n = 500
	for i := range b.N {
		bench := start(b, nil)
		before := resident(b)
		var wg sync.WaitGroup
		for s := range n {
			p := bench.start(process.Command{ID: fmt.Sprint("s", s), Instance: fmt.Sprint("m", i, "-", s), Path: "/bin/sh", Args: []string{"-c", "echo hello; exec sleep 600"}, Env: os.Environ(), Stdout: filepath.Join(bench.logs, fmt.Sprint(s, ".log"))})
			defer wg.Go(func() { killNow(p) })
		}
		bench.line(fmt.Sprint("s", n-1), Stdout, "hello")
		b.ReportMetric(float64(resident(b)-before)/n, "bytes/process")
	}
}

func resident(b *testing.B) int {
	b.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// A child that a kill does not end at once is not waited for without end, and reaped when
// it ends.
func TestKilledIsNotWaitedForWithoutEnd(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if reaped(pid, 10*time.Millisecond) {
		t.Fatal("it runs, and is said to have ended")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // one of both gets its status
	eventually(t, "it is reaped", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}
