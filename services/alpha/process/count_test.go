package process

import (
	"strings"
	"testing"
	"time"
)

func TestJoin(t *testing.T) {
	early, late := time.Unix(100, 0).UTC(), time.Unix(200, 0).UTC()
	a := Count{Series: early, Total: 3, Names: map[string]int{"Ada": 2, "Bob": 1}}
	further := Count{Series: early, Total: 4, Names: map[string]int{"Ada": 3, "Bob": 1}}
	apart := Count{Series: late, Total: 2, Names: map[string]int{"Ada": 1, "Eve": 1}}
	tests := []struct {
		name       string
		a, b       Count
		total, ada int
		series     time.Time
	}{
		{"nothing", Count{}, Count{}, 0, 0, time.Time{}},
		{"only ours", a, Count{}, 3, 2, early},
		{"only theirs", Count{}, a, 3, 2, early},
		{"they are further", a, further, 4, 3, early},
		{"we are further", further, a, 4, 3, early},
		{"two series", a, apart, 5, 3, late},
		{"two series, the other way", apart, a, 5, 3, late},
	}
	for _, tt := range tests {
		got := join(tt.a, tt.b)
		if got.Total != tt.total || got.Names["Ada"] != tt.ada || !got.Series.Equal(tt.series) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	if a.Names["Ada"] != 2 || apart.Names["Ada"] != 1 {
		t.Error("joining changed what was joined")
	}
}

func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"Ada": "", "José María": "", "王": "", "": "empty", " \t": "empty", "a\nb": "cannot be printed",
		"\u202eevil": "cannot be printed", "a\xff": "not UTF-8", strings.Repeat("é", 33): "66 bytes",
	} {
		_, err := checkName(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v: want %q", name, err, want)
		}
	}
}
