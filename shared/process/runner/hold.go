//go:build linux

package runner

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// holder keeps the FIFOs of a directory open. What is in a FIFO is lost when
// nobody has it open any more: without a holder, the last words of a process that
// ends while its supervisor is away.
type holder struct {
	dir  string
	log  *slog.Logger
	held map[string]int
}

func (h *holder) run(ctx context.Context) {
	h.held = map[string]int{}
	defer func() {
		for _, fd := range h.held {
			unix.Close(fd)
		}
	}()
	if err := h.follow(ctx); err != nil {
		h.log.Warn("hold the output of processes: last words may be lost when a supervisor is killed", "dir", h.dir, "err", err)
	}
}

// follow opens each new FIFO. It asks inotify for new and removed names alone: a
// FIFO in a directory watched for writes would report every line of its process.
func (h *holder) follow(ctx context.Context) error {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch a directory: %w: raise fs.inotify.max_user_instances", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	if _, err := unix.InotifyAddWatch(fd, h.dir, unix.IN_CREATE|unix.IN_DELETE); err != nil {
		return fmt.Errorf("watch %s: %w", h.dir, err)
	}
	defer context.AfterFunc(ctx, func() { f.Close() })()
	h.look()
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		h.events(buf[:n])
	}
}

// events reads a run of struct inotify_event, see inotify(7).
func (h *holder) events(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if size > len(b) {
			return
		}
		path := filepath.Join(h.dir, string(bytes.TrimRight(b[:size], "\x00")))
		b = b[size:]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			h.look()
		case mask&unix.IN_CREATE != 0:
			h.take(path)
		case mask&unix.IN_DELETE != 0:
			h.drop(path)
		}
	}
}

// look compares what is held with what is there.
func (h *holder) look() {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.log.Warn("list the FIFOs of processes", "dir", h.dir, "err", err)
		return
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		path := filepath.Join(h.dir, e.Name())
		there[path] = true
		h.take(path)
	}
	for path := range h.held {
		if !there[path] {
			h.drop(path)
		}
	}
}

func (h *holder) take(path string) {
	if _, ok := h.held[path]; ok || !strings.HasSuffix(path, "."+Stdout) && !strings.HasSuffix(path, "."+Stderr) {
		return
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it is gone already
	}
	h.held[path] = fd
}

func (h *holder) drop(path string) {
	if fd, ok := h.held[path]; ok {
		delete(h.held, path)
		unix.Close(fd)
	}
}
