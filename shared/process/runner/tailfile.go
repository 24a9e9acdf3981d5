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
	t, _ := tailFrom(path, 0)
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
		s := strings.ToValidUTF8(strings.TrimRight(string(l), "\r\n"), "\uFFFD")
		if len(s) > maxLast {
			s = s[:maxLast] + "…"
		}
		lines = append(lines, s)
	}
	return lines[max(0, len(lines)-5*keptLines):], rest
}
