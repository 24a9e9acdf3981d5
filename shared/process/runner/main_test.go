//go:build linux

package runner

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/testutil/testproc"
)

// The test binary is every program that the tests run: see programs.
const programVar = testproc.Variable

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "wrap" {
		fmt.Println(Wrap())
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "stuck" {
		syscall.Pause()
	}
	testproc.Main(programs)
	goleak.VerifyTestMain(m)
}

var programs = testproc.Programs{
	"exit": func(args []string) {
		fmt.Println("bye")
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	},
	"die": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		syscall.Kill(os.Getpid(), syscall.Signal(n))
		select {}
	},
	"wait": func([]string) {
		fmt.Println("waiting")
		select {}
	},
	"polite": func([]string) {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("waiting")
		fmt.Println("got", <-c)
	},
	"stubborn": func([]string) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		fmt.Println("waiting")
		select {}
	},
	// family runs a stubborn child in its own group and then waits.
	"family": func(args []string) {
		again("stubborn", nil)
		if len(args) > 0 {
			os.Exit(3)
		}
		select {}
	},
	// fugitive runs a stubborn child in a session of its own.
	"fugitive": func(args []string) {
		again("stubborn", &syscall.SysProcAttr{Setsid: true})
		if len(args) > 0 {
			os.Exit(3)
		}
		select {}
	},
	"mute": func([]string) {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		os.Stdout.Close()
		os.Stderr.Close()
		<-c
		os.Exit(4)
	},
	// print writes a file's bytes.
	"print": func(args []string) {
		b, err := os.ReadFile(args[0])
		if err != nil {
			os.Exit(9)
		}
		os.Stdout.Write(b)
		if len(args) > 1 {
			os.Stderr.WriteString("done\n")
		}
	},
	"flood": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		line := bytes.Repeat([]byte("0123456789abcdef"), 6)
		copy(line[len(line)-1:], "\n")
		w := bufio.NewWriterSize(os.Stdout, 32<<10)
		for range n / len(line) {
			w.Write(line)
		}
		w.Flush()
		if len(args) > 1 {
			select {}
		}
	},
	// count writes numbered lines until it is killed, or up to a number.
	"count": func(args []string) {
		last := -1
		if len(args) > 0 {
			last, _ = strconv.Atoi(args[0])
		}
		for i := 0; i != last; i++ {
			fmt.Println("line", i)
		}
	},
	// pace writes numbered lines steadily.
	"pace": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		tick := time.NewTicker(time.Millisecond)
		for i := range n {
			<-tick.C
			fmt.Println("line", i)
		}
	},
	"env": func(args []string) {
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
		wd, _ := os.Getwd()
		fmt.Println("wd", wd)
		in, err := io.ReadAll(os.Stdin)
		fmt.Println("stdin", len(in), err)
	},
	"supervisor": superviseUntilKilled,
	"careless":   superviseCarelessly,
	"contained":  contained,
}

// again starts the test binary as another program and says its pid.
func again(program string, attr *syscall.SysProcAttr) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), programVar+"="+program)
	c.SysProcAttr = attr
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Start(); err != nil {
		fmt.Println(err)
		os.Exit(8)
	}
	fmt.Println("child", c.Process.Pid)
}

// bench is a runner with all that it told.
type bench struct {
	*Runner
	t    testing.TB
	dir  string
	logs string
	stop func()

	mu    sync.Mutex
	cond  *sync.Cond
	lines map[string][]events.LogLine // by id and stream
}

func start(t testing.TB, change func(*Options)) *bench {
	dir := t.TempDir()
	return startIn(t, filepath.Join(dir, "run"), filepath.Join(dir, "logs"), change)
}

func startIn(t testing.TB, dir, logs string, change func(*Options)) *bench {
	b := &bench{t: t, dir: dir, logs: logs, lines: map[string][]events.LogLine{}}
	b.cond = sync.NewCond(&b.mu)
	o := Options{Dir: dir, Wrapper: []string{"wrap"}, Sink: func(id, stream string, l events.LogLine) {
		b.mu.Lock()
		b.lines[id+" "+stream] = append(b.lines[id+" "+stream], l)
		b.cond.Broadcast()
		b.mu.Unlock()
	}}
	if change != nil {
		change(&o)
	}
	b.Runner = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		b.Run(ctx)
	}()
	b.stop = sync.OnceFunc(func() { cancel(); <-joined })
	t.Cleanup(func() {
		b.Runner.mu.Lock()
		var left []process.Process
		for _, p := range b.procs {
			left = append(left, p)
		}
		b.Runner.mu.Unlock()
		for _, p := range left {
			killNow(p)
		}
		b.stop()
	})
	return b
}

func killNow(p process.Process) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.Stop(ctx)
}

var instances atomic.Int64

func (b *bench) command(id, program string, args ...string) process.Command {
	return process.Command{
		ID: id, Instance: fmt.Sprintf("i%d-%d", os.Getpid(), instances.Add(1)),
		Path: self(b.t), Args: args, Env: environment(program), Dir: b.t.TempDir(),
		Stdout: filepath.Join(b.logs, id+".log"), StopTimeout: 5 * time.Second,
	}
}

// environment makes the test binary a program.
func environment(program string) []string { return testproc.Env(program) }

func self(t testing.TB) string { return testproc.Self(t) }

func (b *bench) start(c process.Command) process.Process {
	b.t.Helper()
	p, err := b.Start(context.Background(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *bench) run(id, program string, args ...string) process.Process {
	b.t.Helper()
	return b.start(b.command(id, program, args...))
}

// line waits for the first line that has a prefix and returns what follows it.
func (b *bench) line(id, stream, prefix string) string {
	b.t.Helper()
	expired := false
	timer := time.AfterFunc(20*time.Second, func() {
		b.mu.Lock()
		expired = true
		b.cond.Broadcast()
		b.mu.Unlock()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !expired {
		for _, l := range b.lines[id+" "+stream] {
			if rest, ok := strings.CutPrefix(l.Text, prefix); ok {
				return strings.TrimSpace(rest)
			}
		}
		b.cond.Wait()
	}
	b.t.Fatalf("%s never wrote %q to %s, but %v", id, prefix, stream, b.lines[id+" "+stream])
	return ""
}

func (b *bench) pid(id, prefix string) int {
	b.t.Helper()
	pid, err := strconv.Atoi(b.line(id, Stdout, prefix))
	if err != nil {
		b.t.Fatal(err)
	}
	return pid
}

func (b *bench) log(id string) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.logs, id+".log"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

func wait(t testing.TB, p process.Process) process.Exit {
	t.Helper()
	select {
	case <-p.Done():
		return p.Exit()
	case <-time.After(30 * time.Second):
		t.Fatalf("%v does not end", p)
		return process.Exit{}
	}
}

// running reports whether a pid is a process that has not ended.
func running(pid int) bool {
	s, err := readStat(pid)
	return err == nil && !s.ended()
}

// eventually looks until something holds that nothing tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testproc.Eventually(t, what, ok)
}

// left lists what a directory has.
func left(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
