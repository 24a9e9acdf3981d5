package log

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"core.internal/services/alpha/config"
)

func TestGreetingsAreWrittenNoFasterThanRead(t *testing.T) {
	var out bytes.Buffer
	c, set := config.New()
	if err := set.Parse([]string{"--log.format", "text"}, nil); err != nil {
		t.Fatal(err)
	}
	l, err := New(&out, *c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(100, 0)
	g := NewGreetings(l, func() time.Time { return now })
	for i := range 100 {
		g.Write("Ada", i+1)
	}
	if n := strings.Count(out.String(), "greeted"); n != perSecond {
		t.Errorf("%d lines in a second, want %d", n, perSecond)
	}
	now = now.Add(time.Second)
	out.Reset()
	g.Write("Bob", 1)
	g.Write("Bob", 2)
	if got := out.String(); strings.Count(got, "skipped=80") != 1 || !strings.Contains(got, "name=Bob count=2") || !strings.Contains(got, "source=alpha") {
		t.Errorf("a second later:\n%s", got)
	}
}
