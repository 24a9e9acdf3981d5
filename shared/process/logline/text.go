package logline

import (
	"strings"
	"time"

	"core.internal/shared/events"
)

// head is how much of a line is looked at for what it says of itself.
const head = 256

// textLevel finds the level in key=value pairs, else in how the line begins.
func textLevel(text string) events.Level {
	if len(text) > head {
		text = text[:head]
	}
	for _, key := range [...]string{"level=", "lvl=", "severity="} {
		if l := levelOf(value(text, key)); l != "" {
			return l
		}
	}
	for _, start := range [...]string{"panic: ", "fatal error: "} { // of Go's runtime
		if strings.HasPrefix(text, start) {
			return events.LevelFatal
		}
	}
	if l := shortLevel(text); l != "" {
		return l
	}
	return headLevel(text)
}

// value is the value of the pair whose key, "=" included, is given; empty where
// there is none.
func value(text, key string) string {
	for rest := text; ; {
		i := strings.Index(rest, key)
		if i < 0 {
			return ""
		}
		at := len(text) - len(rest) + i
		rest = rest[i+len(key):]
		if at > 0 && text[at-1] != ' ' && text[at-1] != '\t' {
			continue
		}
		quoted, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			v, _, _ := strings.Cut(rest, " ")
			return strings.TrimRight(v, "\r\t")
		}
		var b strings.Builder
		for j := 0; j < len(quoted); j++ {
			switch c := quoted[j]; {
			case c == '"':
				return b.String()
			case c == '\\' && j+1 < len(quoted):
				j++
				b.WriteByte(quoted[j])
			default:
				b.WriteByte(c)
			}
		}
		return b.String()
	}
}

// shortLevel knows "I0102 15:04:05 …" of klog and glog, and "<3>…" of sd-daemon(3).
func shortLevel(text string) events.Level {
	if len(text) > 5 && digits(text[1:5]) && text[5] == ' ' {
		return map[byte]events.Level{'I': events.LevelInfo, 'W': events.LevelWarn, 'E': events.LevelError, 'F': events.LevelFatal}[text[0]]
	}
	if len(text) > 3 && text[0] == '<' && text[2] == '>' && digits(text[1:2]) {
		return members{Level: []byte(text[1:2])}.level()
	}
	return ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// maxHead is how many words may stand before the level.
const maxHead = 8

// headLevel looks for a level after what loggers write before it.
func headLevel(text string) events.Level {
	for range maxHead {
		bracket, i := false, 0
		for ; i < len(text) && separators[text[i]]; i++ {
			bracket = bracket || text[i] != ' ' && text[i] != '\t' && text[i] != ':'
		}
		end := i
		for end < len(text) && !separators[text[end]] {
			end++
		}
		if end == i {
			return ""
		}
		w, rest := text[i:end], text[end:]
		text = rest
		if l := levelOf(w); l != "" && sign(w) < 0 {
			closed := rest == "" || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "]")
			if w == strings.ToUpper(w) || closed && (bracket || strings.HasPrefix(rest, ":")) {
				return l
			}
		}
		if !bracket && !header(w) && !strings.HasPrefix(rest, " - ") {
			return ""
		}
	}
	return ""
}

// separators stand between words.
var separators = [256]bool{' ': true, '\t': true, '[': true, ']': true, '(': true, ')': true, '<': true, '>': true, '|': true, ':': true}

// header reports whether a word may stand before the level: a date, a number, a
// zone, a mark.
func header(w string) bool {
	for i := range len(w) {
		if '0' <= w[i] && w[i] <= '9' {
			return true
		}
	}
	switch w {
	case "-", "*", "#", "UTC", "GMT", "AM", "PM", "Z",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec":
		return true
	}
	return false
}

// layouts of times at the beginning of a line; those without a zone are local.
var layouts = [...]string{
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006/01/02 15:04:05.999999999",
}

// textTime reads the time in a pair, or at the beginning.
func textTime(text string) time.Time {
	for _, key := range [...]string{"time=", "ts="} {
		if v := value(text[:min(len(text), head)], key); v != "" {
			return leadingTime(v)
		}
	}
	return leadingTime(strings.TrimLeft(text, "[ "))
}

// longestTime is the length of the longest time.
const longestTime = len("2006-01-02T15:04:05.999999999+07:00")

func leadingTime(text string) time.Time {
	const day = len("2006-01-02")
	if len(text) < day+9 || !digits(text[:4]) {
		return time.Time{}
	}
	text = text[:min(len(text), longestTime)]
	if i := strings.IndexAny(text[day+1:], " ]\t\""); i >= 0 {
		text = text[:day+1+i]
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
