package render

import (
	"bytes"
	"testing"
)

// Without a terminal every text is a line; on one, the line is rewritten.
func TestBar(t *testing.T) {
	var b bytes.Buffer
	bar := NewBar(New(&b, nil))
	bar.Show("downloading a", 0.5, false)
	bar.Show("installed a", 1, true)
	bar.Close()
	if got, want := b.String(), "downloading a\ninstalled a\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Reset()
	s := New(&b, nil)
	s.Terminal = true
	bar = NewBar(s)
	bar.Show("downloading a", 0.25, false)
	bar.Show("resolving a", -1, false)
	bar.Close()
	bar.Close()
	bar.Show("installed a", 1, true)
	want := "\r● ━━━━━─────────────── " + " 25%  downloading a" + clearRight + "\r● resolving a" + clearRight + "\r\n" + "\r✓ installed a" + clearRight + "\r\n"
	if got := b.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
