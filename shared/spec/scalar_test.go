package spec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"syscall"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "1023": 1023, "1K": 1 << 10, "512K": 512 << 10, "64M": 64 << 20, "2G": 2 << 30, "1T": 1 << 40, "0M": 0,
		"9223372036854775807": 1<<63 - 1, "8388607T": 8388607 << 40,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	const form = `: want whole bytes, or a number with K, M, G or T, as in "64M"`
	for text, want := range map[string]string{
		"": form, "M": form, "1.5M": form, "-1": form, "+1": form, "1KB": form, "1k": form, "1 M": form, "1MM": form, "0x10": form, "1_000": form,
		"9223372036854775808": form, "8388608T": ": more than 9223372036854775807 bytes",
	} {
		if _, err := ParseSize(text); err == nil || err.Error() != fmt.Sprintf("size %q", text)+want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for size, want := range map[Size]string{0: "0", 1: "1", 1024: "1K", 1536: "1536", 64 << 20: "64M", 1 << 50: "1024T"} {
		if got := size.String(); got != want {
			t.Errorf("%d: %s, want %s", size, got, want)
		}
	}
}

func TestParseCores(t *testing.T) {
	for text, want := range map[string]Cores{"1": 1000, "1.5": 1500, "0.001": 1, "4096": 4096000, "2.250": 2250} {
		if got, err := ParseCores(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1.+5", "1e1", "1.2345", "0", "0.000", "4096.001", "99999999999999999999"} {
		if got, err := ParseCores(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestSignals(t *testing.T) {
	for _, name := range Signals() {
		for _, text := range []string{name, name[3:]} {
			if s, err := ParseSignal(text); err != nil || string(s) != name || s.Number() == 0 {
				t.Errorf("%s: %s, %d, %v", text, s, s.Number(), err)
			}
		}
	}
	if Signal("SIGTERM").Number() != syscall.SIGTERM || Signal("").Number() != 0 {
		t.Error("numbers are wrong")
	}
	for _, text := range []string{"", "SIG", "term", "SIGSIGTERM", "15", "RTMIN"} {
		if s, err := ParseSignal(text); err == nil {
			t.Errorf("%q is %s", text, s)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for text, want := range map[string]string{
		"* * * * *": "2026-01-01T00:01:00Z", "30 2 * * 1-5": "2026-01-01T02:30:00Z", "@hourly": "2026-01-01T01:00:00Z", "@every 90s": "2026-01-01T00:01:30Z",
		"0 0 29 2 *": "2028-02-29T00:00:00Z", "*/15 * * JAN SUN": "2026-01-04T00:00:00Z",
	} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := s.Next(at("2026-01-01T00:00:00Z")); !got.Equal(at(want)) {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "@never", "@every", "@every -1s", "@every 999ms", "TZ=", "CRON_TZ=UTC * * * * *", "0 0 31 4 *"} {
		if _, err := ParseSchedule(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	berlin, err := Process{Timezone: "Europe/Berlin"}.Location()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ParseSchedule("30 2 * * *")
	if got := s.Next(at("2026-01-01T00:00:00Z").In(berlin)); !got.Equal(at("2026-01-01T01:30:00Z")) {
		t.Errorf("in Berlin: %v", got)
	}
}

func TestBounds(t *testing.T) {
	for text, want := range map[string][2]int{"1-65535": {1, 65535}, "80-80": {80, 80}, "": {}, "80": {}, "0-1": {}, "2-1": {}, "1-65536": {}, "+1-2": {}, "000001-2": {}, "1-2-3": {}} {
		first, last, ok := Port{Range: text}.Bounds()
		if ok != (want[1] != 0) || ok && (first != want[0] || last != want[1]) {
			t.Errorf("%q: %d, %d, %v", text, first, last, ok)
		}
	}
}

// seeds are texts of every one of these forms.
var seeds = []string{
	"", "0", "64M", "1.5", "unlimited", "8388608T", "SIGTERM", "HUP", "8000-8100", "1-65536", "* * * * *", "@every 5s", "TZ=UTC @daily", "CRON_TZ=",
	"0 0 30 2 *", "*/0 * * * *", "1-5/2,7 0-23 ? JAN-DEC MON", "0027", "www-data", "4294967295",
}

// What is accepted is of the schema's pattern and survives being written and
// read again.
func FuzzScalars(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	size, limit, cores := regexp.MustCompile(sizePattern), regexp.MustCompile(limitPattern), regexp.MustCompile(coresPattern)
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := ParseSize(text); err == nil {
			again, err := ParseSize(v.String())
			if v < 0 || err != nil || again != v || !size.MatchString(text) {
				t.Fatalf("size %q: %d, then %d, %v", text, v, again, err)
			}
		}
		if v, err := ParseLimit(text); err == nil {
			again, err := ParseLimit(v.String())
			if err != nil || again != v || !limit.MatchString(text) {
				t.Fatalf("limit %q: %d, then %d, %v", text, v, again, err)
			}
		}
		if v, err := ParseCores(text); err == nil {
			b, err := json.Marshal(v)
			var again Cores
			if err == nil {
				err = json.Unmarshal(b, &again)
			}
			if err != nil || again != v || !cores.MatchString(text) {
				t.Fatalf("cores %q: %d, then %d, %v", text, v, again, err)
			}
		}
	})
}

func FuzzSignal(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSignal(text); err == nil {
			if again, err := ParseSignal(string(s)); err != nil || again != s || s.Number() == 0 {
				t.Fatalf("%q: %s, then %s, %v", text, s, again, err)
			}
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	pattern := regexp.MustCompile(shapes["range"].pattern)
	f.Fuzz(func(t *testing.T, text string) {
		first, last, ok := Port{Range: text}.Bounds()
		if ok && (first < 1 || last < first || last > 65535 || !pattern.MatchString(text)) {
			t.Fatalf("%q: %d to %d", text, first, last)
		}
	})
}

// A schedule that is accepted comes, and comes later.
func FuzzSchedule(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 3 {
			next := s.Next(now)
			if !next.After(now) {
				t.Fatalf("%q: %v after %v", text, next, now)
			}
			now = next
		}
	})
}
