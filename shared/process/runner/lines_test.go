//go:build linux

package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"core.internal/shared/events"
)

// However bytes are cut into reads and however slow the sink, each line is told or
// counted, in order, and the last ones are kept.
func TestCutter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\n\r\n\xff")), 0, 400).Draw(t, "data")
		if rapid.Bool().Draw(t, "long") {
			data = append(bytes.Repeat([]byte("l"), rapid.IntRange(maxLine-2, 2*maxLine+2).Draw(t, "length")), data...)
		}
		var got []string
		var kept tail
		told := 0
		c := cutter{tail: &kept, out: outlet{limit: &allowance{rate: rapid.IntRange(0, 30).Draw(t, "rate"), per: time.Second}, most: 3}}
		if rapid.Bool().Draw(t, "join") {
			c.out.more = regexp.MustCompile("^b")
		}
		if rapid.Bool().Draw(t, "look") {
			c.find = newFinder(regexp.MustCompile("aab"), nil)
		}
		c.out.send = func(l events.LogLine) bool {
			if told%7 == 6 && rapid.Bool().Draw(t, "refuse") {
				return false
			}
			told++
			for range l.Dropped {
				got = append(got, "?")
			}
			got = append(got, strings.Split(l.Text+string(l.Raw), "\n")...)
			return true
		}
		now := time.Unix(1000, 0)
		for b := data; len(b) > 0; {
			n := rapid.IntRange(1, len(b)).Draw(t, "read")
			c.feed(b[:n], now)
			b = b[n:]
			pause := time.Duration(rapid.IntRange(0, 700).Draw(t, "pause")) * time.Millisecond
			if due := c.out.due(); !due.IsZero() && due.Before(now.Add(pause)) {
				c.out.expire(due)
			}
			now = now.Add(pause)
		}
		c.end(now)
		for range c.out.dropped {
			got = append(got, "?")
		}
		want := reference(data)
		if c.find != nil && c.find.looking() == slices.ContainsFunc(want, func(l string) bool { return strings.Contains(l, "aab") }) {
			t.Fatalf("looked for a line and found it: %v", !c.find.looking())
		}
		i := 0
		for _, w := range want {
			if i >= len(got) || got[i] != "?" && got[i] != w {
				t.Fatalf("line %d: got %.40q, want %.40q; %d lines, want %d", i, got[min(i, len(got)-1):], w, len(got), len(want))
			}
			i++
		}
		if i != len(got) {
			t.Fatalf("%d lines too many", len(got)-i)
		}
	})
}

// reference cuts lines the simple way.
func reference(data []byte) []string {
	var want []string
	for l := range bytes.Lines(data) {
		l, ended := bytes.CutSuffix(l, []byte{'\n'})
		if ended {
			l = bytes.TrimSuffix(l, []byte{'\r'})
		}
		want = append(want, string(l[:min(len(l), maxLine)]))
	}
	return want
}

func TestTail(t *testing.T) {
	var k tail
	if got := k.all(); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
	for i := range 50 {
		k.put(fmt.Sprint(i))
	}
	k.put(strings.Repeat("x", 5000))
	k.put("\xff!")
	got := k.all()
	if len(got) != keptLines || got[0] != "32" || got[keptLines-1] != "\uFFFD!" || got[keptLines-2] != strings.Repeat("x", maxLast)+"…" {
		t.Errorf("kept %q", got)
	}
	path := writeFile(t, []byte("a\nb\r\nc"))
	if got := Tail(path, 5); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("tail of a file: %q", got)
	}
	if got := Tail(path, 2); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("tail of a file: %q", got)
	}
	if got := Tail("/no/such", 2); got != nil {
		t.Errorf("tail of nothing: %q", got)
	}
	big := writeFile(t, []byte(strings.Repeat(strings.Repeat("y", 99)+"\n", 10_000)))
	if got := Tail(big, 3); len(got) != 3 || len(got[0]) != 99 {
		t.Errorf("tail of a big file: %q", got)
	}
}

// Rotated files together have each byte once and are cut between lines.
func TestRotation(t *testing.T) {
	for _, plain := range []bool{false, true} {
		r := New(Options{LogSize: 10_000})
		path := filepath.Join(t.TempDir(), "deep", "one.log")
		l, err := r.openLog(path, keep{})
		if err != nil {
			t.Fatal(err)
		}
		l.plain = plain
		var want bytes.Buffer
		for i := range 3000 {
			fmt.Fprintf(&want, "line %d\n", i)
		}
		now := feedLog(t, l, want.Bytes(), 1000)
		r.closeLog(l)
		if got := whole(t, path); got != want.String() {
			t.Errorf("plain %v: %d bytes, want %d", plain, len(got), want.Len())
		}
		files, _ := filepath.Glob(path + "*")
		if len(files) < 3 {
			t.Errorf("plain %v: files %v", plain, files)
		}
		for _, f := range files {
			b, _ := os.ReadFile(f)
			if len(b) > 10_000 || len(b) == 0 || b[len(b)-1] != '\n' || !bytes.HasPrefix(b, []byte("line ")) {
				t.Errorf("%s: %d bytes, from %.10q to %q", f, len(b), b, b[max(0, len(b)-5):])
			}
		}
		// Only rotated files of the log itself are too old.
		other := path + ".notes"
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l.age = time.Hour
		l.prune(now.Add(30 * time.Minute))
		if kept, _ := filepath.Glob(path + ".2*"); len(kept) != len(files)-1 {
			t.Errorf("young files were removed: %v", kept)
		}
		l.prune(now.Add(2 * time.Hour))
		if kept, _ := filepath.Glob(path + "*"); !slices.Equal(kept, []string{path, other}) {
			t.Errorf("left: %v", kept)
		}
	}
}

// A line longer than the file may be is cut late.
func TestRotationOfOneLine(t *testing.T) {
	r := New(Options{LogSize: 1000})
	path := filepath.Join(t.TempDir(), "one.log")
	l, err := r.openLog(path, keep{})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 2_500_000)
	feedLog(t, l, data, chunk)
	r.closeLog(l)
	if got := whole(t, path); got != string(data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 3 {
		t.Errorf("files %v, want 3", files)
	}
}

// feedLog brings data through a pipe to a log and returns the time by then.
func feedLog(t *testing.T, l *logfile, data []byte, piece int) time.Time {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	buf := make([]byte, chunk)
	var copied bytes.Buffer
	for b := data; len(b) > 0; {
		n, err := unix.Write(p[1], b[:min(piece, len(b))])
		if err != nil {
			t.Fatal(err)
		}
		b = b[n:]
		for {
			now = now.Add(time.Millisecond)
			n, err := l.take(p[0], buf, now)
			if err == errEmpty {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			copied.Write(buf[:n])
		}
	}
	if !bytes.Equal(copied.Bytes(), data) {
		t.Errorf("%d bytes were told, want %d", copied.Len(), len(data))
	}
	return now
}

func TestHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	h := &holder{dir: dir, log: New(Options{}).o.Log, held: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { h.run(ctx); close(ended) }()
	eventually(t, "the directory", func() bool { _, err := os.Stat(dir); return err == nil })
	path := fifoPath(dir, "one", Stdout)
	if err := makeFIFO(path); err != nil {
		t.Fatal(err)
	}
	// A writer without blocking opens only where there is a reader.
	var fd int
	eventually(t, "it is held", func() bool {
		var err error
		fd, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err == nil
	})
	if _, err := unix.Write(fd, []byte("last words\n")); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	rd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := unix.Read(rd, buf); err != nil || string(buf[:n]) != "last words\n" {
		t.Errorf("read %q %v", buf[:max(n, 0)], err)
	}
	unix.Close(rd)
	cancel()
	<-ended
}
