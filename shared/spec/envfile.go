package spec

import (
	"bytes"
	"fmt"
	"strings"
)

// MaxEnvFile is the largest file of variables, in bytes.
const MaxEnvFile = 1 << 20

// ParseEnvFile reads a file of variables: lines NAME=value, an "export" before
// the name if need be, and lines that begin with "#". A value is a word, with a
// comment after it if " #" follows, or stands in quotes and may then have several
// lines: 'as it is', or "with \n, \t, \r, \" and \\". Nothing is expanded. The last
// of several values of one name counts. An [*Error] has the place and nothing of a
// value.
func ParseEnvFile(file string, text []byte) (map[string]string, error) {
	p := &envParser{file: file, rest: string(bytes.TrimPrefix(text, []byte("\ufeff"))), line: 1}
	vars := map[string]string{}
	for p.rest != "" {
		name, value, err := p.entry()
		if err != nil {
			return nil, err
		}
		if name != "" {
			vars[name] = value
		}
	}
	return vars, nil
}

type envParser struct {
	file string
	rest string // what is to be read
	line int
}

func (p *envParser) err(line int, want, format string, args ...any) error {
	return &Error{File: p.file, Line: line, Column: 1, Reason: fmt.Sprintf(format, args...), Want: want}
}

// cut takes what is before the end of the line.
func (p *envParser) cut() string {
	text, rest, found := strings.Cut(p.rest, "\n")
	if found {
		p.line++
	}
	p.rest = rest
	return strings.TrimSuffix(text, "\r")
}

const envLineWant = "NAME=value"

// entry reads what a line begins; an empty name for nothing.
func (p *envParser) entry() (name, value string, err error) {
	line := p.line
	head, _, _ := strings.Cut(p.rest, "\n")
	if text := strings.TrimSpace(head); text == "" || text[0] == '#' {
		p.cut()
		return "", "", nil
	}
	before, _, found := strings.Cut(head, "=")
	if !found {
		return "", "", p.err(line, envLineWant, "the line has no \"=\"")
	}
	name = strings.TrimSpace(before)
	if word, after, ok := strings.Cut(name, " "); ok && word == "export" {
		name = strings.TrimSpace(after)
	}
	if reason := shapes["variable"].check(name); reason != "" {
		return "", "", p.err(line, shapes["variable"].want, "the name before \"=\": %s", reason)
	}
	p.rest = strings.TrimLeft(p.rest[len(before)+1:], " \t")
	if p.rest != "" && (p.rest[0] == '\'' || p.rest[0] == '"') {
		value, err = p.quoted(name, line)
	} else {
		value = word(p.cut())
	}
	if err == nil && strings.ContainsRune(value, 0) {
		err = p.err(line, "text without it", "the value of %s has a NUL character", name)
	}
	return name, value, err
}

// word is a value without quotes.
func word(text string) string {
	for i := range len(text) {
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
			break
		}
	}
	return strings.TrimSpace(text)
}

func (p *envParser) quoted(name string, line int) (string, error) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.line += strings.Count(p.rest[:i], "\n")
			p.rest = p.rest[i+1:]
			at := p.line
			if after := strings.TrimSpace(p.cut()); after != "" && after[0] != '#' {
				return "", p.err(at, "the end of the line, or a comment", "the value of %s has something after its quotes", name)
			}
			return b.String(), nil
		case c == '\\' && quote == '"':
			i++
			escaped := byte(0)
			if i < len(p.rest) {
				escaped = p.rest[i]
			}
			at := strings.IndexByte(`ntr"\$`, escaped)
			if at < 0 || escaped == 0 {
				return "", p.err(line+strings.Count(p.rest[:i], "\n"), `\n, \t, \r, \", \$ or \\`, "the value of %s has an unknown escape in its quotes", name)
			}
			b.WriteByte("\n\t\r\"\\$"[at])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.err(line, fmt.Sprintf("a closing %c", quote), "the quotes of the value of %s are not closed", name)
}
