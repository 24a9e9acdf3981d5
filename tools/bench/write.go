package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

// writerRole is the verb under which this binary is a service that writes
// numbered lines, which a [tally] counts.
const writerRole = "write"

// writer says how lines are written.
type writer struct {
	gate  string // a unix socket: the first byte from it is the start
	lines int    // how many; without an end if 0
	size  int    // of each, in bytes
	block int    // bytes of one write
	rate  int    // lines a second; as many as possible if 0
}

func (w *writer) flags(f *flag.FlagSet) {
	f.StringVar(&w.gate, "gate", "", "socket that says when to begin")
	f.IntVar(&w.lines, "lines", 0, "how many; until SIGTERM if 0")
	f.IntVar(&w.size, "size", 100, "bytes of a line")
	f.IntVar(&w.block, "block", 4096, "bytes of one write")
	f.IntVar(&w.rate, "rate", 0, "lines a second; any number if 0")
}

// command is the command that writes so.
func (w writer) command() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, writerRole}
	for name, v := range map[string]int{"lines": w.lines, "size": w.size, "block": w.block, "rate": w.rate} {
		args = append(args, fmt.Sprintf("-%s=%d", name, v))
	}
	if w.gate != "" {
		args = append(args, "-gate="+w.gate)
	}
	return args, nil
}

// bytes is how much a writer with a number of lines writes, its last line
// included.
func (w writer) bytes() int64 { return int64(w.lines+1) * int64(w.size) }

// write is the writer as a process: its lines, one that says how many there were,
// and then nothing more until SIGTERM. SIGTERM before ends the lines.
func write(ctx context.Context, args []string, out io.Writer) error {
	var w writer
	f := flag.NewFlagSet(writerRole, flag.ContinueOnError)
	w.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if w.size < minLine {
		return fmt.Errorf("lines of %d bytes: want at least %d", w.size, minLine)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	if w.gate != "" {
		gate, err := net.Dial("unix", w.gate)
		if err != nil {
			return err
		}
		defer gate.Close()
		if _, err := io.ReadFull(gate, make([]byte, 1)); err != nil {
			return fmt.Errorf("wait for the start: %w", err)
		}
	}
	if err := w.all(ctx, out); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// direct writes to a file as a program in C does. Where a write has to wait the runtime
// would give the thread's work to another one, and with fifty writers that costs more
// than what is measured.
type direct uintptr

func (d direct) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		rest := b[done:]
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(d), uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)))
		switch errno {
		case 0:
			done += int(n)
		case syscall.EINTR:
		default:
			return done, errno
		}
	}
	return done, nil
}

// beats is how often in a second a writer with a rate writes: a hundred of them
// would else do little but wake up.
const beats = 20

// all writes the lines and the last one.
func (w writer) all(ctx context.Context, out io.Writer) error {
	per, every := max(1, w.block/w.size), time.Duration(0)
	if w.rate > 0 {
		every = time.Second / beats
		per = max(1, w.rate/beats)
	}
	block := make([]byte, 0, (per+1)*w.size)
	next := time.Now()
	line := 0
	for (w.lines == 0 || line < w.lines) && ctx.Err() == nil {
		block = block[:0]
		for range per {
			if w.lines > 0 && line == w.lines {
				break
			}
			block = appendLine(block, w.size, line)
			line++
		}
		if _, err := out.Write(block); err != nil {
			return err
		}
		if every > 0 {
			if next = next.Add(every); time.Until(next) < -time.Second {
				next = time.Now() // nobody read for long: what was missed is not made up for
			}
			if err := pause(ctx, time.Until(next)); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
	}
	_, err := out.Write(appendEnd(nil, w.size, line))
	return err
}
