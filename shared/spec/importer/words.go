package importer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// dialect is how words are quoted where no shell is.
type dialect int

const (
	posixWords   dialect = iota // as shlex of Python, for supervisord and Compose
	systemdWords                // as systemd.syntax(7): also the escapes of C
)

// splitWords splits a line into words and takes their quotes away.
func splitWords(text string, d dialect) ([]string, error) {
	var words []string
	var word strings.Builder
	inside := false // a word, which may be empty
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && (quote != '\'' || d == systemdWords):
			if i++; i == len(text) {
				return nil, errors.New("a backslash at the end")
			}
			inside = true
			if d == systemdWords {
				n, err := escape(&word, text[i:])
				if err != nil {
					return nil, err
				}
				i += n - 1
			} else {
				if quote == '"' && text[i] != '"' && text[i] != '\\' {
					word.WriteByte('\\')
				}
				word.WriteByte(text[i])
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			// systemd opens quotes at the beginning of a word only, or behind "=".
			quote, inside = c, true
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			inside = true
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c that is not closed", quote)
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}

// escape reads what is behind a backslash, as systemd does, and tells its length.
func escape(b *strings.Builder, text string) (int, error) {
	simple := map[byte]byte{'a': 7, 'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11, '\\': '\\', '"': '"', '\'': '\'', 's': ' '}
	if c, ok := simple[text[0]]; ok {
		b.WriteByte(c)
		return 1, nil
	}
	digits, base := 0, 16
	switch c := text[0]; {
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '7':
		digits, base = 3, 8
	default: // systemd keeps what it does not know
		b.WriteByte('\\')
		return 0, nil
	}
	from := 1
	if base == 8 {
		from = 0
	}
	if len(text) < from+digits {
		return 0, fmt.Errorf("an escape that is cut off: \\%s", text)
	}
	n, err := strconv.ParseUint(text[from:from+digits], base, 32)
	if err != nil || n == 0 || !utf8.ValidRune(rune(n)) || digits < 4 && n > 127 {
		return 0, fmt.Errorf("no character that can be escaped: \\%s", text[:from+digits])
	}
	b.WriteRune(rune(n))
	return from + digits, nil
}

// section is a part of an INI document.
type section struct {
	at   at
	name string
	keys []setting
}

// setting is one line NAME=value of it.
type setting struct {
	at
	name string
}

// get is the last value of a name.
func (s *section) get(name string) (setting, bool) {
	for i := len(s.keys) - 1; i >= 0; i-- {
		if s.keys[i].name == name {
			return s.keys[i], true
		}
	}
	return setting{}, false
}
