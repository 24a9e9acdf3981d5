package runner

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// Tail returns up to n last lines of a log file, oldest first; none if it cannot
// be read. Lines are cut as in an exit.
func Tail(path string, n int) []string {
	t, rest := tailFrom(path, 0)
	if len(rest) > 0 {
		t = append(t, shorten(rest))
	}
	return t[max(0, len(t)-n):]
}

// tailFrom returns up to [keptLines]×5 last lines after an offset of a log file,
// and the beginning of a line whose end is missing.
func tailFrom(path string, offset int64) (lines []string, rest []byte) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	if offset > info.Size() {
		offset = 0 // rotated since
	}
	const most = 64 << 10
	from := max(offset, info.Size()-most)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, nil
	}
	if from > offset {
		_, b, _ = bytes.Cut(b, []byte{'\n'}) // the rest of a line
	}
	i := bytes.LastIndexByte(b, '\n') + 1
	b, rest = b[:i], b[i:]
	for l := range bytes.Lines(b) {
		lines = append(lines, shorten(l))
	}
	return lines[max(0, len(lines)-5*keptLines):], rest
}

func shorten(l []byte) string {
	l = bytes.TrimRight(l, "\r\n")
	s := string(l[:min(len(l), maxLast)])
	if len(l) > maxLast {
		s += "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
