package render

import (
	"fmt"
	"io"
	"time"

	"core.internal/shared/ui"
)

// StageEvent is one step of a boot or teardown.
type StageEvent struct {
	Stage  string        `json:"stage"`
	Index  int           `json:"index"` // from 1
	Total  int           `json:"total"`
	State  StageState    `json:"state"`
	Detail string        `json:"detail,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
}

// StageState is what an event tells of its stage.
type StageState string

// Stage states.
const (
	Starting StageState = "starting"
	Progress StageState = "progress"
	Ready    StageState = "ready"
	Failed   StageState = "failed"
	Stopping StageState = "stopping"
	Stopped  StageState = "stopped"
)

// Boot shows the stages of a boot or teardown, each as soon as it is known: on a
// terminal one line per stage, whose end is rewritten; elsewhere one line per
// event.
type Boot struct {
	s    *Stream
	open bool // the last line is unfinished
}

// NewBoot returns a renderer for a stream.
func NewBoot(s *Stream) *Boot { return &Boot{s: s} }

// Show shows one event.
func (b *Boot) Show(e StageEvent) {
	line := b.line(e)
	if !b.s.Terminal {
		_ = b.s.Print(line)
		return
	}
	width, _ := b.s.Size()
	if width > 1 {
		width-- // the last cell would wrap on some terminals
	}
	text := "\r" + Cut(line, width) + clearRight
	b.open = e.State == Starting || e.State == Stopping || e.State == Progress
	if !b.open {
		text += "\r\n"
	}
	_, _ = io.WriteString(b.s, text)
}

// Close ends an unfinished line.
func (b *Boot) Close() {
	if b.open {
		b.open = false
		_, _ = io.WriteString(b.s, "\r\n")
	}
}

func (b *Boot) line(e StageEvent) string {
	tone := map[StageState]ui.Tone{Ready: ui.OK, Failed: ui.Bad, Stopped: ui.Idle}[e.State]
	if tone == "" {
		tone = ui.Warn
	}
	number := fmt.Sprintf("[%d/%d]", e.Index, e.Total)
	what := string(e.State)
	if e.State == Progress {
		what = Clean(e.Detail)
	}
	line := fmt.Sprintf("%s%s %s  %s", b.s.Mark(tone), b.s.Dim(number), b.s.Bold(fmt.Sprintf("%-10s", e.Stage)), b.s.Tone(tone, what))
	if e.Took > 0 || e.State == Ready || e.State == Stopped {
		line += fmt.Sprintf("%*s%s", max(1, 10-len(what)), "", b.s.Dim(ui.Took(e.Took)))
	}
	return line
}
