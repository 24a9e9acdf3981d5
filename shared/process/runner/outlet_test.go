//go:build linux

package runner

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"core.internal/shared/events"
)

// told cuts bytes, read at once a second, and shows what travels.
func told(c *cutter, reads ...string) []string {
	var out []string
	var kept tail
	c.tail = &kept
	c.out.send = func(l events.LogLine) bool {
		text := fmt.Sprintf("%s%s", l.Text, l.Raw)
		if l.Dropped > 0 {
			text = fmt.Sprintf("(%d) %s", l.Dropped, text)
		}
		if l.Cut > 0 {
			text += fmt.Sprintf(" +%d", l.Cut)
		}
		if l.Level != "" {
			text = string(l.Level) + ": " + text
		}
		out = append(out, text)
		return true
	}
	now := time.Unix(1000, 0)
	for _, r := range reads {
		c.feed([]byte(r), now)
		next := now.Add(time.Second)
		for due := c.out.due(); !due.IsZero() && due.Before(next); due = c.out.due() {
			c.out.expire(due)
		}
		now = next
	}
	c.end(now)
	return out
}

func plain(rate int) *cutter {
	return &cutter{out: outlet{limit: &allowance{rate: rate, per: time.Second}, most: 500}}
}

func joining(rate, most int) *cutter {
	c := plain(rate)
	c.out.more, c.out.most = regexp.MustCompile(`^\s|^Caused by`), most
	return c
}

func TestOutlet(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for name, c := range map[string]struct {
		cut   *cutter
		reads []string
		want  []string
	}{
		"levels":        {plain(9), []string{"INFO a\n[warn] b\r\n{\"level\":50}\nnothing\n"}, []string{"info: INFO a", "warn: [warn] b", `error: {"level":50}`, "nothing"}},
		"a trace":       {joining(9, 9), []string{"ERROR no\n\tat a\n\tat b\nCaused by: c\n\tat d\nnext\n"}, []string{"error: ERROR no\n\tat a\n\tat b\nCaused by: c\n\tat d", "next"}},
		"in pieces":     {joining(9, 9), []string{"a", "\n", " b\n c\nd"}, []string{"a", " b\n c", "d"}},
		"after a pause": {joining(9, 9), []string{"a\n", " b\n"}, []string{"a", " b"}},
		"too many":      {joining(9, 2), []string{"a\n b\n c\n d\ne\n"}, []string{"a\n b", " c\n d", "e"}},
		"none before":   {joining(9, 9), []string{" a\n b\n"}, []string{" a\n b"}},
		"one counts":    {joining(2, 9), []string{"a\n b\nc\n d\ne\n f\n g\nh\n", "i\n"}, []string{"a\n b", "c\n d", "(3) h", "i"}},
		"limited":       {plain(2), []string{"a\nb\nc\nd\n", "e\n"}, []string{"a", "b", "(1) d", "e"}},
		"the last":      {plain(1), []string{"a\nb\nc"}, []string{"a", "(1) c"}},
		"none at all":   {plain(0), []string{"a\nb\nc\n"}, []string{"(2) c"}},
		"long":          {plain(9), []string{long + "yz\r\nb\n"}, []string{long + " +2", "b"}},
		"long in parts": {plain(9), []string{long[:9], long[9:] + "y", "z\r", "\nb"}, []string{long + " +2", "b"}},
		"just not long": {plain(9), []string{long, "\r", "\n", "b\n"}, []string{long, "b"}},
		"a character":   {plain(9), []string{long[2:] + "€\n"}, []string{long[2:] + " +3"}},
		"no character":  {plain(9), []string{long[1:] + "\xff\xff\n"}, []string{long[1:] + "\xff +1"}},
		"a long entry":  {joining(9, 500), []string{strings.Repeat(" "+strings.Repeat("y", 9<<10)+"\n", 8)}, nil},
	} {
		got := told(c.cut, c.reads...)
		if c.want == nil {
			if len(got) != 2 || len(got[0]) > maxEntry || strings.Join(got, "\n")+"\n" != strings.Join(c.reads, "") {
				t.Errorf("%s: %d entries", name, len(got))
			}
			continue
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %.90q\nwant %.90q", name, got, c.want)
		}
	}
}

// Streams that share an allowance use it up together.
func TestSharedAllowance(t *testing.T) {
	out, errs := plain(3), plain(0)
	errs.out.limit = out.out.limit
	var sent []string
	var kept tail
	for _, c := range []*cutter{out, errs} {
		c.tail = &kept
		c.out.send = func(l events.LogLine) bool { sent = append(sent, fmt.Sprint(l.Dropped, l.Text)); return true }
	}
	now := time.Unix(1000, 0)
	out.feed([]byte("a\nb\n"), now)
	errs.feed([]byte("c\nd\ne\n"), now)
	out.feed([]byte("f\n"), now.Add(time.Second/2))
	errs.feed([]byte("g\n"), now.Add(time.Second))
	out.feed([]byte("h\n"), now.Add(time.Second))
	out.feed([]byte("i\n"), now.Add(2*time.Second))
	// What was dropped is told within the allowance too: h is the fourth.
	if want := []string{"0a", "0b", "0c", "1e", "0g", "0f", "0h", "0i"}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

// No second brings more lines than it may, those that tell of others included.
func TestAllowanceIsKept(t *testing.T) {
	c := plain(2)
	c.tail = &tail{}
	sent := map[int64]int{}
	now := time.Unix(1000, 0)
	c.out.send = func(events.LogLine) bool { sent[now.Unix()]++; return true }
	for range 5 {
		c.feed([]byte("a\nb\nc\nd\n"), now)
		now = now.Add(time.Second)
		c.out.expire(now)
	}
	for at, n := range sent {
		if n > 2 {
			t.Errorf("%d lines in second %d", n, at)
		}
	}
}

// What could not be told is due later, not at once and for ever.
func TestFlushFailsLater(t *testing.T) {
	c := plain(1)
	c.tail = &tail{}
	c.out.send = func(events.LogLine) bool { return false }
	now := time.Unix(1000, 0)
	c.feed([]byte("a\nb\n"), now)
	for range 3 {
		due := c.out.due()
		if !due.After(now) {
			t.Fatalf("due at %v, which is not after %v", due, now)
		}
		now = due
		c.out.expire(now)
	}
	var last events.LogLine
	c.out.send = func(l events.LogLine) bool { last = l; return true }
	c.out.expire(c.out.due())
	if last.Text != "b" || last.Dropped != 1 || !c.out.due().IsZero() {
		t.Errorf("told %+v, then due at %v", last, c.out.due())
	}
}

// Where nobody takes lines they are counted, and not looked at one by one; the
// last line is told when somebody does, or at the end.
func TestNoRoom(t *testing.T) {
	c := plain(1000)
	c.tail = &tail{}
	free := true
	var sent []string
	c.out.room = func() bool { return free }
	c.out.send = func(l events.LogLine) bool {
		sent = append(sent, fmt.Sprint(l.Dropped, l.Text))
		return free || l.Text == "last"
	}
	now := time.Unix(1000, 0)
	c.feed([]byte("a\n"), now)
	free = false
	c.feed([]byte(strings.Repeat("b\n", 1000)), now)
	free = true
	c.feed([]byte("c\n"), now)
	free = false
	c.feed([]byte("d\nlast\n"), now)
	c.end(now)
	if want := []string{"0a", "1000c", "1last"}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
	if got := c.tail.all(); len(got) != keptLines || got[keptLines-1] != "last" {
		t.Errorf("kept %q", got)
	}
}

func TestStamped(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	const stamp = "2026-01-02T03:04:05.006Z "
	for _, c := range []struct {
		in   string
		bol  bool
		want string
	}{
		{"", true, ""}, {"a", true, stamp + "a"}, {"a\nb", false, "a\n" + stamp + "b"}, {"\n\n", true, stamp + "\n" + stamp + "\n"},
	} {
		got := string(stamped([]byte(c.in), c.bol, now))
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
		if c.bol && c.in != "" && unstamped(got) != c.in && !strings.Contains(c.in, "\n") {
			t.Errorf("%q comes back as %q", c.in, unstamped(got))
		}
	}
	if got := unstamped("2026-01-02T03:04:05.006Y x, which is no time"); !strings.HasPrefix(got, "2026") {
		t.Errorf("got %q", got)
	}
}

// FuzzOutlet: whatever is written and matched, each line travels or is counted,
// and what travels is text or bytes.
func FuzzOutlet(f *testing.F) {
	f.Add([]byte("a\n b\r\nc"), `^\s`, 3, uint8(2))
	f.Add([]byte("\xff\n\n\n€"), `^$`, 1, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, pattern string, read int, rate uint8) {
		re, err := regexp.Compile(pattern)
		if err != nil || read <= 0 || len(pattern) > 100 || len(data) > 1<<16 {
			t.Skip()
		}
		c := plain(int(rate))
		c.out.more, c.find = re, newFinder(re, nil)
		var kept tail
		c.tail = &kept
		lines := 0
		c.out.send = func(l events.LogLine) bool {
			if l.Raw == nil && !utf8.ValidString(l.Text) {
				t.Errorf("text %q", l.Text)
			}
			lines += l.Dropped + 1 + strings.Count(l.Text, "\n") + bytes.Count(l.Raw, []byte{'\n'})
			return true
		}
		now := time.Unix(1, 0)
		for b := data; len(b) > 0; {
			n := min(read, len(b))
			c.feed(b[:n], now)
			b, now = b[n:], now.Add(time.Millisecond)
		}
		c.end(now)
		if want := len(reference(data)); lines != want {
			t.Errorf("%d lines, want %d", lines, want)
		}
	})
}

// BenchmarkCutter feeds chunks of lines of 96 bytes, of which a thousand a second
// travel, all, or none although they may.
func BenchmarkCutter(b *testing.B) {
	data := bytes.Repeat(append(bytes.Repeat([]byte("0123456789abcde "), 6)[:95], '\n'), chunk/96)
	for name, c := range map[string]*cutter{"plain": plain(1000), "joining": joining(1000, 500), "all": plain(1 << 40), "no room": plain(1 << 40)} {
		b.Run(name, func(b *testing.B) {
			var kept tail
			c.tail = &kept
			c.out.send = func(events.LogLine) bool { return name != "no room" }
			c.out.room = func() bool { return name != "no room" }
			b.SetBytes(int64(len(data)))
			now := time.Unix(1, 0)
			for b.Loop() {
				c.feed(data, now)
				now = now.Add(400 * time.Microsecond) // 160 MB/s
			}
		})
	}
}
