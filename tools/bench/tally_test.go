package main

import (
	"bytes"
	"strings"
	"testing"
)

// script makes what a writer's file has: numbers, "end" after a number for the last
// line of a run, and anything else as it is.
func script(words string) string {
	var b []byte
	for _, w := range strings.Fields(words) {
		n := 0
		for _, c := range strings.TrimSuffix(w, "end") {
			n = 10*n + int(c-'0')
		}
		switch {
		case strings.HasPrefix(w, "x"):
			b = append(b, w+"\n"...)
		case strings.HasSuffix(w, "end"):
			b = appendEnd(b, 100, n)
		default:
			b = appendLine(b, 100, n)
		}
	}
	return string(b)
}

func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		runs int
		want string
	}{
		"all":             {script("0 1 2 3end"), 1, ""},
		"two runs":        {script("0 1 2end 0 1end"), 2, ""},
		"an empty run":    {script("0end"), 1, ""},
		"lost":            {script("0 1 4 5end"), 1, "2 lines lost"},
		"lost at the end": {script("0 1 4end"), 1, "2 lines lost"},
		"repeated":        {script("0 1 0 1 2 3end"), 1, "2 lines repeated"},
		"out of order":    {script("0 2 1 3 4end"), 1, "1 lines lost, 1 lines repeated"},
		"killed":          {script("0 1 2"), 1, "the last line of 0 of 1 runs is there, line 2 is followed by nothing"},
		"begun again":     {script("0 1 2 0 1end"), 1, "2 lines repeated"},
		"another's":       {script("0 xyz 1 2end"), 1, "1 lines spoilt"},
		"half a line":     {script("0 1 2end")[:150], 1, "1 lines spoilt, the last line of 0 of 1 runs is there, line 0 is followed by nothing"},
		"one run more":    {script("0 1end 0end"), 1, "the last line of 2 of 1 runs is there"},
		"nothing":         {"", 1, "the last line of 0 of 1 runs is there"},
	} {
		var got tally
		if err := got.read(strings.NewReader(c.text), 100); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bad := got.wrong(c.runs); bad != c.want {
			t.Errorf("%s: %q, want %q", name, bad, c.want)
		}
	}
}

// What a writer writes is what is counted.
func TestWriter(t *testing.T) {
	for _, w := range []writer{{lines: 1000, size: 100, block: 4096}, {lines: 7, size: minLine, block: 1}, {lines: 25, size: 300, rate: 100_000}} {
		var out bytes.Buffer
		if err := w.all(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if int64(out.Len()) != w.bytes() {
			t.Errorf("%+v: %d bytes, want %d", w, out.Len(), w.bytes())
		}
		var got tally
		if err := got.read(&out, w.size); err != nil || got.wrong(1) != "" || got.lines != w.lines {
			t.Errorf("%+v: %+v, %v", w, got, err)
		}
	}
}

func TestBound(t *testing.T) {
	for _, c := range []struct {
		bound  bound
		figure float64
		want   string
	}{
		{bound{most: 2, unit: " %"}, 2, "at most 2 %: met"},
		{bound{most: 2, unit: " %"}, 2.1, "at most 2 %: not met"},
		{bound{least: 1, unit: "×"}, 1, "at least 1×: met"},
		{bound{least: 1, unit: "×"}, 0.99, "at least 1×: not met"},
	} {
		if got := c.bound.judge(c.figure); got != c.want {
			t.Errorf("%+v of %g: %q, want %q", c.bound, c.figure, got, c.want)
		}
	}
}
