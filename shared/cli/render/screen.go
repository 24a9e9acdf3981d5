package render

import (
	"fmt"
	"io"
	"strings"
)

// Control sequences that every terminal of today knows.
const (
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	clearRight  = "\x1b[K"
	clearBelow  = "\x1b[J"
	beginUpdate = "\x1b[?2026h" // shown as a whole, where the terminal can
	endUpdate   = "\x1b[?2026l"
)

// Screen shows lines and later others in their place. It is for terminals.
type Screen struct {
	s     *Stream
	drawn int // lines that stand on the terminal
	begun bool
}

// NewScreen returns a screen that begins where the cursor is.
func NewScreen(s *Stream) *Screen { return &Screen{s: s} }

// Draw replaces what was drawn. What does not fit on the terminal is counted in
// a last line instead.
func (c *Screen) Draw(lines []string) error {
	width, height := c.s.Size()
	if room := height - 1; height > 1 && len(lines) > room {
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], c.s.Dim(fmt.Sprintf("… %s more: make the terminal higher", plural(hidden, "line"))))
	}
	var b strings.Builder
	b.WriteString(beginUpdate)
	if !c.begun {
		b.WriteString(hideCursor)
		c.begun = true
	}
	if c.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", c.drawn)
	}
	for _, l := range lines {
		b.WriteString(Cut(l, width))
		b.WriteString(clearRight + "\r\n")
	}
	b.WriteString(clearBelow + endUpdate)
	c.drawn = len(lines)
	_, err := io.WriteString(c.s, b.String())
	return err
}

// Close leaves what was drawn and gives the cursor back.
func (c *Screen) Close() error {
	if !c.begun {
		return nil
	}
	c.begun = false
	_, err := io.WriteString(c.s, showCursor)
	return err
}
