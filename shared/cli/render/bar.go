package render

import (
	"fmt"
	"io"
	"strings"

	"core.internal/shared/ui"
)

// Bar shows how far something has come: on a terminal one line with a bar, which
// is rewritten until it is done; elsewhere each text on a line of its own.
type Bar struct {
	s    *Stream
	open bool // the last line is unfinished
}

// NewBar returns a renderer for a stream.
func NewBar(s *Stream) *Bar { return &Bar{s: s} }

const barWidth = 20

// Show shows a text; part is how much of it is done, from 0 to 1, and below 0
// where that is not known.
func (b *Bar) Show(text string, part float64, done bool) {
	if !b.s.Terminal {
		_ = b.s.Print(text)
		return
	}
	tone := ui.Warn
	if done {
		tone = ui.OK
	}
	line := b.s.Mark(tone)
	if part >= 0 && !done {
		full := int(min(part, 1) * barWidth)
		line += fmt.Sprintf("%s%s %3.0f%%  ", b.s.Tone(ui.OK, strings.Repeat("━", full)), b.s.Dim(strings.Repeat("─", barWidth-full)), min(part, 1)*100)
	}
	line += text
	width, _ := b.s.Size()
	if width > 1 {
		width-- // the last cell would wrap on some terminals
	}
	line = "\r" + Cut(line, width) + clearRight
	if b.open = !done; done {
		line += "\r\n"
	}
	_, _ = io.WriteString(b.s, line)
}

// Close ends an unfinished line.
func (b *Bar) Close() {
	if b.open {
		b.open = false
		_, _ = io.WriteString(b.s, "\r\n")
	}
}
