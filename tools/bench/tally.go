package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Lines are numbered from 0 in each run of a writer: ten digits, a filling that
// shows whether a line is whole, and an end. The last one of a run has the number
// of those before it.
const (
	digits  = 10
	lastTag = "end"
	minLine = digits + len(lastTag) + 3
)

func appendLine(b []byte, size, n int) []byte {
	return fill(fmt.Appendf(b, "%0*d ", digits, n), len(b)+size)
}

func appendEnd(b []byte, size, n int) []byte {
	return fill(fmt.Appendf(b, "%0*d %s ", digits, n, lastTag), len(b)+size)
}

// fill makes b as long as a size with a line's end.
func fill(b []byte, size int) []byte {
	const pattern = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	for len(b) < size-1 {
		b = append(b, pattern[:min(len(pattern), size-1-len(b))]...)
	}
	return append(b, '\n')
}

// tally is what became of a writer's lines.
type tally struct {
	lines    int // that are there
	runs     int // of the writer that came to their last line
	lost     int
	repeated int
	spoilt   int // not as they were written

	next int // the number expected; more than 0 at the end: a run has no last line
}

// read counts lines of a size.
func (t *tally) read(r io.Reader, size int) error {
	lines := bufio.NewReaderSize(r, 256<<10)
	want := make([]byte, 0, size)
	for {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		n, perr := strconv.Atoi(string(line[:min(digits, len(line))]))
		switch want = appendLine(want[:0], size, n); {
		case perr != nil || n < 0:
			t.spoilt++
		case bytes.Equal(line, want):
			t.take(n)
		case bytes.Equal(line, appendEnd(nil, size, n)):
			t.end(n)
		default:
			t.spoilt++
		}
	}
}

func (t *tally) take(n int) {
	t.lines++
	switch {
	case n < t.next:
		t.repeated++
		return
	case n > t.next:
		t.lost += n - t.next
	}
	t.next = n + 1
}

func (t *tally) end(n int) {
	if n > t.next {
		t.lost += n - t.next
	}
	if n < t.next {
		t.repeated++
	}
	t.next = 0
	t.runs++
}

// add counts those of another writer.
func (t *tally) add(o tally) {
	t.lines, t.runs = t.lines+o.lines, t.runs+o.runs
	t.lost, t.repeated, t.spoilt = t.lost+o.lost, t.repeated+o.repeated, t.spoilt+o.spoilt
}

// wrong says what is not as it was written, where runs of the writer came to their
// end; nothing if all is.
func (t *tally) wrong(runs int) string {
	var list []string
	for _, c := range []struct {
		n    int
		what string
	}{{t.lost, "lost"}, {t.repeated, "repeated"}, {t.spoilt, "spoilt"}} {
		if c.n > 0 {
			list = append(list, fmt.Sprintf("%d lines %s", c.n, c.what))
		}
	}
	if t.runs != runs {
		list = append(list, fmt.Sprintf("the last line of %d of %d runs is there", t.runs, runs))
	}
	if t.next > 0 {
		list = append(list, fmt.Sprintf("line %d is followed by nothing", t.next-1))
	}
	return strings.Join(list, ", ")
}

// count reads the files of one writer, oldest first.
func count(files []string, size int) (tally, error) {
	var t tally
	var readers []io.Reader
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return t, err
		}
		defer f.Close()
		readers = append(readers, f)
	}
	return t, t.read(io.MultiReader(readers...), size)
}
