package logline

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/events"
)

// Formats of lines, as in a spec's logging.format.
const (
	Auto = "auto" // JSON where a line is an object, else text
	JSON = "json"
	Text = "text"
)

// Entry is what a line says; fields are zero where it does not say it.
type Entry struct {
	Level   events.Level
	Time    time.Time
	Message string
}

// Level is [Parse] for the level alone, which is cheaper.
func Level(format, text string) events.Level {
	text, _, _ = strings.Cut(text, "\n")
	if format != Text {
		if o, ok := object(text); ok {
			return o.level()
		}
		if format == JSON {
			return ""
		}
	}
	return textLevel(text)
}

// Parse reads a line, or the first of several, in a format; Auto if that is
// empty.
func Parse(format, text string) Entry {
	text, _, _ = strings.Cut(text, "\n")
	if format != Text {
		if o, ok := object(text); ok {
			return Entry{Level: o.level(), Time: o.time(), Message: o.message()}
		}
		if format == JSON {
			return Entry{}
		}
	}
	return Entry{Level: textLevel(text), Time: textTime(text), Message: value(text, "msg=")}
}

// members are those of an object that mean something. Names match whatever their
// case.
type members struct {
	Level, Lvl, Severity, Loglevel json.RawMessage
	Msg, Message                   json.RawMessage
	Time, TS, Timestamp            json.RawMessage
	AtTimestamp                    json.RawMessage `json:"@timestamp"`
}

func object(text string) (members, bool) {
	if text = strings.TrimLeft(text, " \t"); !strings.HasPrefix(text, "{") {
		return members{}, false
	}
	var m members
	err := json.Unmarshal([]byte(text), &m)
	return m, err == nil
}

func first(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if len(v) > 0 && string(v) != "null" {
			return v
		}
	}
	return nil
}

// word is a value that is a text.
func word(v json.RawMessage) (string, bool) {
	var s string
	ok := len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil
	return s, ok
}

func (m members) level() events.Level {
	v := first(m.Level, m.Lvl, m.Severity, m.Loglevel)
	if s, ok := word(v); ok {
		return levelOf(s)
	}
	n, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err != nil || n < 0:
		return ""
	case n < 8: // as in syslog and GELF
		return [...]events.Level{
			events.LevelFatal, events.LevelFatal, events.LevelFatal, events.LevelError,
			events.LevelWarn, events.LevelInfo, events.LevelInfo, events.LevelDebug,
		}[int(n)]
	case n < 10:
		return ""
	case n < 70: // as in bunyan and pino
		return events.Levels()[int(n)/10-1]
	}
	return ""
}

func (m members) message() string {
	s, _ := word(first(m.Msg, m.Message))
	return s
}

func (m members) time() time.Time {
	v := first(m.Time, m.TS, m.Timestamp, m.AtTimestamp)
	if s, ok := word(v); ok {
		return textTime(s)
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || n < 1e8 {
		return time.Time{}
	}
	for n > 1e11 { // milliseconds, microseconds or nanoseconds
		n /= 1000
	}
	whole, part := math.Modf(n)
	return time.Unix(int64(whole), int64(part*1e6)*1e3).UTC()
}

// levels has the words for levels, in lower case.
var levels = map[string]events.Level{
	"trace": events.LevelTrace, "trc": events.LevelTrace, "verbose": events.LevelTrace, "finest": events.LevelTrace,
	"debug": events.LevelDebug, "dbg": events.LevelDebug, "debu": events.LevelDebug, "fine": events.LevelDebug,
	"info": events.LevelInfo, "inf": events.LevelInfo, "information": events.LevelInfo, "informational": events.LevelInfo,
	"notice": events.LevelInfo, "log": events.LevelInfo, "default": events.LevelInfo,
	"warn": events.LevelWarn, "warning": events.LevelWarn, "wrn": events.LevelWarn,
	"error": events.LevelError, "err": events.LevelError, "erro": events.LevelError, "severe": events.LevelError, "eror": events.LevelError,
	"fatal": events.LevelFatal, "ftl": events.LevelFatal, "fata": events.LevelFatal, "panic": events.LevelFatal, "pnc": events.LevelFatal,
	"dpanic": events.LevelFatal, "critical": events.LevelFatal, "crit": events.LevelFatal, "alert": events.LevelFatal,
	"emerg": events.LevelFatal, "emergency": events.LevelFatal,
}

// longestWord is the length of the longest word for a level.
const longestWord = len("informational")

// levelOf is the level that a word means. slog writes levels in between as in
// "INFO+2".
func levelOf(s string) events.Level {
	if i := sign(s); i > 0 {
		s = s[:i]
	}
	if len(s) > longestWord {
		return ""
	}
	return levels[strings.ToLower(s)]
}

// sign is where the first sign is; -1 where there is none.
func sign(s string) int {
	for i := range len(s) {
		if s[i] == '+' || s[i] == '-' {
			return i
		}
	}
	return -1
}
