package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"

	"core.internal/shared/events"
)

// maxLine is how much of one log line a page shows, in bytes.
const maxLine = 4 << 10

// filter is which lines of which service a reader wants to see: the query of
// the page's own URL.
type filter struct {
	entity events.Entity
	stream string // "", "stdout" or "stderr"
	text   string // shown are lines that have it, whatever the case
}

// keeps reports whether a line passes.
func (f filter) keeps(a events.LogAddress, text string) bool {
	return (f.stream == "" || f.stream == a.Stream) &&
		(f.text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(f.text)))
}

// lineText is what a line says, as text.
func lineText(l events.LogLine) string {
	text := l.Text
	if l.Raw != nil {
		text = strconv.QuoteToASCII(string(l.Raw))
	}
	more := l.Cut
	if len(text) > maxLine {
		cut := maxLine
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text, more = text[:cut], more+len(text)-cut
	}
	if more > 0 {
		text += fmt.Sprintf("… (%d bytes more)", more)
	}
	return text
}

// shownLevel has the class of each level: what a line brings with it is its
// writer's, and no markup.
var shownLevel = map[events.Level]string{
	events.LevelTrace: "debug", events.LevelDebug: "debug", events.LevelInfo: "info", events.LevelWarn: "warn",
	events.LevelError: "error", events.LevelFatal: "error",
}

// lineMarkup is one line as an element with an id. A line in the format of
// log/slog is shown by its parts.
func lineMarkup(b *strings.Builder, id string, a events.LogAddress, l events.LogLine) {
	level, message, attrs := parts(lineText(l))
	if level == "" {
		level = shownLevel[l.Level]
	}
	fmt.Fprintf(b, `<li id="%s" class="%s`, id, html.EscapeString(a.Stream))
	if level != "" {
		b.WriteString(" " + level)
	}
	fmt.Fprintf(b, `"><time>%s</time>`, l.Time.UTC().Format("15:04:05.000"))
	if level != "" {
		fmt.Fprintf(b, `<span class="lvl">%s</span>`, strings.ToUpper(level))
	}
	fmt.Fprintf(b, `<span class="text">%s`, html.EscapeString(message))
	if attrs != "" {
		fmt.Fprintf(b, ` <span class="attr">%s</span>`, html.EscapeString(attrs))
	}
	if l.Dropped > 0 {
		fmt.Fprintf(b, ` <span class="attr">(%d lines before this came too fast; the file has them)</span>`, l.Dropped)
	}
	b.WriteString("</span></li>\n")
}

// parts takes a line of log/slog's JSON format apart; any other line is all
// message.
func parts(text string) (level, message, attrs string) {
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		return "", text, ""
	}
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", text, ""
	}
	var rest []string
	found := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", text, ""
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return "", text, ""
		}
		switch key {
		case "time", "service", "daemon", "source", "node":
		case "level":
			level = slogLevel(value)
		case "msg":
			found = json.Unmarshal(value, &message) == nil
		default:
			rest = append(rest, fmt.Sprintf("%s=%s", key, attrText(value)))
		}
	}
	if !found || level == "" {
		return "", text, ""
	}
	return level, message, strings.Join(rest, " ")
}

func slogLevel(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	s, _, _ = strings.Cut(strings.ToLower(s), "+")
	switch s, _, _ = strings.Cut(s, "-"); s {
	case "debug", "info", "warn", "error":
		return s
	}
	return ""
}

// attrText is a value as it is read: strings without spaces without quotes.
func attrText(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil && s != "" && !strings.ContainsAny(s, " \"=\n\r\t") {
		return s
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return string(value)
	}
	return compact.String()
}
