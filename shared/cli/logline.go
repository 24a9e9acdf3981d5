package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"core.internal/shared/cli/render"
	"core.internal/shared/events"
	"core.internal/shared/process/logline"
	"core.internal/shared/ui"
)

// logPrinter chooses lines and prints them. Its methods may be called by several
// goroutines.
type logPrinter struct {
	c            *call
	since, until time.Time
	levels       []events.Level // those that are meant; any if empty
	grep         *regexp.Regexp // nil for any
	width        int            // of names before lines; 0 where there is but one

	mu sync.Mutex // of the output
}

// newLogPrinter reads the flags of a call.
func newLogPrinter(c *call, names []string) (*logPrinter, error) {
	p := &logPrinter{c: c}
	now := time.Now()
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"since", &p.since}, {"until", &p.until}} {
		from, err := parseSince(f.name, c.text(f.name), now, false)
		if err != nil {
			return nil, err
		}
		*f.to = from.time
	}
	if !p.until.IsZero() && value[bool](c, "follow") {
		return nil, c.usageError(fmt.Errorf("flag --until: lines that are followed have no end: leave out --follow"))
	}
	if tail := value[int](c, "tail"); tail < 0 {
		return nil, c.usageError(fmt.Errorf("flag --tail=\"%d\": want 0 or more", tail))
	}
	if text := c.text("level"); text != "" {
		i := slices.Index(events.Levels(), events.Level(strings.ToLower(text)))
		if i < 0 {
			return nil, c.usageError(fmt.Errorf("flag --level=%q: want one of %s", text, levelNames()))
		}
		p.levels = events.Levels()[i:]
	}
	if text := c.text("grep"); text != "" {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, c.usageError(fmt.Errorf("flag --grep=%q: %w", text, err))
		}
		p.grep = re
	}
	for _, name := range names {
		if err := events.CheckToken(name); err != nil {
			return nil, c.usageError(err)
		}
		if len(names) > 1 {
			p.width = max(p.width, len(name))
		}
	}
	return p, nil
}

func bytesOf(l events.LogLine) string {
	if l.Raw != nil {
		return string(l.Raw)
	}
	return l.Text
}

// match reports whether a line is one that was asked for, whenever it came.
func (p *logPrinter) match(_ events.LogAddress, l events.LogLine) bool {
	return (len(p.levels) == 0 || slices.Contains(p.levels, l.Level)) && (p.grep == nil || p.grep.MatchString(bytesOf(l)))
}

// logRecord is one line as JSON.
type logRecord struct {
	Time   *time.Time    `json:"time,omitempty"`
	Entity events.Entity `json:"entity"`
	Stream string        `json:"stream,omitempty"`
	Level  events.Level  `json:"level,omitempty"`
	// Msg is what the line says beside its level and time, where it has members
	// or pairs.
	Msg  string `json:"msg,omitempty"`
	Text string `json:"text"`
	Raw  []byte `json:"raw,omitempty"`
	// Dropped lines before this one did not travel, nor Cut bytes at its end.
	Dropped int `json:"dropped,omitempty"`
	Cut     int `json:"cut,omitempty"`
}

// line prints one line; named says that its stream, or step, is told too.
func (p *logPrinter) line(a events.LogAddress, l events.LogLine, named bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.c.out
	if p.c.text(outputFlag) == "jsonl" {
		r := logRecord{
			Entity: a.Entity, Stream: a.Stream, Level: l.Level, Msg: logline.Parse(logline.Auto, l.Text).Message,
			Text: l.Text, Raw: l.Raw, Dropped: l.Dropped, Cut: l.Cut,
		}
		if !l.Time.IsZero() {
			r.Time = &l.Time
		}
		return json.NewEncoder(out).Encode(r)
	}
	file := p.c.node.Layout().Log(string(a.Entity))
	if l.Dropped > 0 {
		p.c.note(fmt.Sprintf("%d lines came too fast to travel; %s has them", l.Dropped, file))
	}
	prefix := ""
	if p.width > 0 {
		prefix = out.Bold(fmt.Sprintf("%-*s", p.width, a.Entity)) + out.Dim(" | ")
	}
	if named {
		prefix += out.Dim("["+a.Stream+"]") + " "
	}
	return writeLine(out, l, prefix)
}

// levelTone is how a line of a level sounds.
func levelTone(l events.Level) (tone ui.Tone, ok bool) {
	switch l {
	case events.LevelTrace, events.LevelDebug:
		return ui.Idle, true
	case events.LevelWarn:
		return ui.Warn, true
	case events.LevelError, events.LevelFatal:
		return ui.Bad, true
	}
	return "", false
}

// writeLine writes a line, or several that belong together, as they were written,
// whatever the terminal's width.
func writeLine(out *render.Stream, l events.LogLine, prefix string) error {
	var b strings.Builder
	tone, coloured := levelTone(l.Level)
	coloured = coloured && utf8.ValidString(l.Text) && !strings.Contains(l.Text, "\x1b") // it has its own
	for text := range strings.SplitSeq(bytesOf(l), "\n") {
		b.WriteString(prefix)
		if coloured {
			text = out.Tone(tone, text)
		}
		b.WriteString(text)
		b.WriteByte('\n')
	}
	text := b.String()
	if l.Cut > 0 {
		text = text[:len(text)-1] + out.Dim(fmt.Sprintf("… (%d bytes more are in the log file)", l.Cut)) + "\n"
	}
	_, err := out.Write([]byte(text))
	return err
}
