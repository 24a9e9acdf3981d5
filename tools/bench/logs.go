package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// logged says what is written.
type logged struct {
	one, each, children int // megabytes of the one child, and of each of several
	size, block         int // bytes of a line and of a write
}

func logsFlags(f *flag.FlagSet, b *bench) {
	rounds(5)(f, b)
	f.IntVar(&b.logged.one, "one", 50, "megabytes that a single child writes")
	f.IntVar(&b.logged.each, "each", 1, "megabytes that each of several children writes")
	f.IntVar(&b.logged.children, "children", 50, "how many children write at once")
	f.IntVar(&b.logged.size, "size", 100, "bytes of a line")
	f.IntVar(&b.logged.block, "block", 4096, "bytes of one write: less than a line for a write each")
	f.StringVar(&b.only, "only", "", "measure only these, as in core,s6-log")
}

// logs measures how fast what children write comes to a file, and whether all of
// it does. Who is measured takes turns; the time is that from the first write to
// the last byte in the file.
func (b *bench) logs(ctx context.Context) error {
	launcher, err := b.launcher(ctx)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(b.loggers(launcher), func(l logger) bool {
		return b.only != "" && !slices.Contains(strings.Split(b.only, ","), l.name)
	})
	wrong := 0
	for _, c := range []struct{ children, megabytes int }{{1, b.logged.one}, {b.logged.children, b.logged.each}} {
		w := writer{size: b.logged.size, block: b.logged.block}
		w.lines = c.megabytes*1e6/w.size - 1
		took := map[string][]time.Duration{}
		counts := map[string]tally{}
		for range b.n {
			for _, l := range all {
				d, t, err := b.captureOnce(ctx, l, c.children, w)
				if err != nil {
					return fmt.Errorf("%s with %d children: %w", l.name, c.children, err)
				}
				took[l.name] = append(took[l.name], d)
				sum := counts[l.name]
				sum.add(t)
				counts[l.name] = sum
			}
		}
		fmt.Fprintf(b.out, "\n%d writing %d MB each in lines of %d bytes, %d bytes a write; median of %d, interleaved\n%-12s %10s\n",
			c.children, c.megabytes, w.size, max(w.size, w.block/w.size*w.size), b.n, "", "MB/s")
		speed := func(name string) float64 {
			return float64(c.megabytes*c.children) / median(took[name]).Seconds()
		}
		for _, l := range all {
			sum := counts[l.name]
			state := "nothing lost"
			if bad := sum.wrong(b.n * c.children); bad != "" {
				state = bad
				wrong++
			}
			fmt.Fprintf(b.out, "%-12s %10.1f   %s, %d lines", l.name, speed(l.name), state, sum.lines)
			if l.name != "core" && len(took["core"]) > 0 {
				ratio := speed("core") / speed(l.name)
				fmt.Fprintf(b.out, "; core is %.2f× as fast", ratio)
				if l.name == "s6-log" {
					fmt.Fprintf(b.out, " (%s)", bound{least: 1, unit: "×"}.judge(ratio))
				}
			}
			fmt.Fprintln(b.out)
		}
	}
	if wrong > 0 {
		return errors.New("not every line is in its file once and in order: see above")
	}
	return nil
}

// captureOnce measures one logger once.
func (b *bench) captureOnce(ctx context.Context, l logger, children int, w writer) (took time.Duration, t tally, err error) {
	dir, err := os.MkdirTemp(b.dir, l.name+"-")
	if err != nil {
		return 0, t, err
	}
	defer os.RemoveAll(dir)
	w.gate = filepath.Join(dir, "gate")
	gate, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.gate})
	if err != nil {
		return 0, t, err
	}
	defer gate.Close()
	if err := gate.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		return 0, t, err
	}
	command, err := w.command()
	if err != nil {
		return 0, t, err
	}
	c := l.make(dir)
	if err := c.start(ctx, children, command); err != nil {
		return 0, t, err
	}
	took, err = b.capture(ctx, gate, c, children, w)
	if err = errors.Join(err, c.stop()); err != nil {
		return 0, t, err
	}
	for i := range children {
		files, err := c.files(i)
		if err != nil {
			return 0, t, err
		}
		one, err := count(files, w.size)
		if err != nil {
			return 0, t, err
		}
		t.add(one)
	}
	return took, t, nil
}

// capture lets the children begin, once all are there, and waits until everything
// is in the files.
func (b *bench) capture(ctx context.Context, gate net.Listener, c capturing, children int, w writer) (time.Duration, error) {
	stop := context.AfterFunc(ctx, func() { gate.Close() })
	defer stop()
	var open []net.Conn
	for range children {
		conn, err := gate.Accept()
		if err != nil {
			return 0, fmt.Errorf("wait for the children: %w", errors.Join(err, ctx.Err()))
		}
		defer conn.Close()
		open = append(open, conn)
	}
	if err := pause(ctx, 300*time.Millisecond); err != nil { // what starts with them is no part of it
		return 0, err
	}
	began := time.Now()
	for _, conn := range open {
		if _, err := conn.Write([]byte{1}); err != nil {
			return 0, err
		}
	}
	for i := 0; i < children; {
		size, err := sizeOf(c, i)
		if err != nil {
			return 0, err
		}
		if size >= w.bytes() {
			i++
			continue
		}
		if time.Since(began) > 2*time.Minute {
			return 0, fmt.Errorf("%d of %d bytes of child %d are in files after 2 minutes", size, w.bytes(), i)
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// sizeOf is how much of a child's output is in files.
func sizeOf(c capturing, i int) (int64, error) {
	files, err := c.files(i)
	var sum int64
	for _, name := range files {
		info, serr := os.Stat(name)
		if errors.Is(serr, os.ErrNotExist) {
			return 0, nil // rotated just now: look again
		}
		if serr != nil {
			return 0, serr
		}
		sum += info.Size()
	}
	return sum, err
}
