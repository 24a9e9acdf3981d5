//go:build linux

package render

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/ui"
)

// terminal opens a pseudo-terminal of a size and returns its end for programs
// and a function that closes it and returns what was written.
func terminal(t *testing.T, width, height uint16) (*os.File, func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	var out bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := out.ReadFrom(master)
		read <- err
	}()
	return slave, func() string {
		slave.Close()
		if err := <-read; err != nil && !errors.Is(err, syscall.EIO) { // that is how a terminal ends
			t.Error(err)
		}
		return out.String()
	}
}

func TestScreenRedrawsInPlace(t *testing.T) {
	slave, written := terminal(t, 20, 5)
	s := New(slave, nil)
	if w, h := s.Size(); w != 20 || h != 5 || !s.Terminal || !s.Colour {
		t.Fatalf("size %d×%d, %+v", w, h, s)
	}
	screen := NewScreen(s)
	for _, lines := range [][]string{{"one", "two"}, {"a line that is longer than that"}, {"1", "2", "3", "4", "5", "6"}} {
		if err := screen.Draw(lines); err != nil {
			t.Fatal(err)
		}
	}
	if err := screen.Close(); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(strings.ReplaceAll(written(), "\r\r\n", "\r\n"), "\x1b", "^[")
	want := "^[[?2026h^[[?25lone^[[K\r\ntwo^[[K\r\n^[[J^[[?2026l" +
		"^[[?2026h\r^[[2Aa line that is long…^[[K\r\n^[[J^[[?2026l" +
		"^[[?2026h\r^[[1A1^[[K\r\n2^[[K\r\n3^[[K\r\n^[[2m… 3 lines more: mak…^[[0m^[[K\r\n^[[J^[[?2026l^[[?25h"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBootOnATerminal(t *testing.T) {
	slave, written := terminal(t, 80, 24)
	b := NewBoot(New(slave, []string{"NO_COLOR=1"}))
	b.Show(StageEvent{Stage: "bus", Index: 2, Total: 7, State: Starting})
	b.Show(StageEvent{Stage: "bus", Index: 2, Total: 7, State: Progress, Detail: "building busd\x1b[2J"})
	b.Show(StageEvent{Stage: "bus", Index: 2, Total: 7, State: Ready, Took: 12 * time.Millisecond})
	b.Show(StageEvent{Stage: "edge", Index: 3, Total: 7, State: Starting})
	b.Close()
	got := strings.ReplaceAll(strings.ReplaceAll(written(), "\r\r\n", "\r\n"), "\x1b", "^[")
	want := "\r● [2/7] bus         starting^[[K\r● [2/7] bus         building busd�[2J^[[K\r✓ [2/7] bus         ready     12.0ms^[[K\r\n" +
		"\r● [3/7] edge        starting^[[K\r\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Nothing asks the terminal about itself: an answer that does not come would
// have to be waited for.
func TestTerminalIsNeverAsked(t *testing.T) {
	slave, written := terminal(t, 80, 24)
	s := New(slave, []string{"TERM=xterm-256color", "COLORTERM=truecolor"})
	table := &Table{Columns: []Column{{Title: "A"}}}
	table.Add(Toned("x", ui.Warn))
	if err := s.Print(append(table.Lines(s), s.Mark(ui.OK)+s.Bold("b")+s.Dim("d")+s.Error("e"))...); err != nil {
		t.Fatal(err)
	}
	out := written()
	for _, question := range []string{"\x1b]", "\x1b[6n", "\x1b[c", "\x1b[>", "\x1b[?", "\x1bP"} {
		if strings.Contains(out, question) {
			t.Errorf("the terminal is asked %q in %q", question, out)
		}
	}
}

func TestDumbTerminal(t *testing.T) {
	slave, _ := terminal(t, 80, 24)
	if s := New(slave, []string{"TERM=dumb"}); s.Terminal || s.Colour {
		t.Errorf("a dumb terminal is drawn on: %+v", s)
	}
}
