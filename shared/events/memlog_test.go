package events_test

import (
	"testing"
	"time"

	"core.internal/shared/events"
	"core.internal/shared/events/logtest"
)

func TestMemLog(t *testing.T) {
	logtest.Run(t, func(t *testing.T) events.Log { return &events.MemLog{} })
}

func TestMemLogClock(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	l := events.MemLog{Now: func() time.Time { return at }}
	l.Put("core.event.local.x.y.z", []byte("no envelope"))
	for r := range l.Read(t.Context(), 0) {
		if r.Seq != 1 || !r.Time.Equal(at) || string(r.Data) != "no envelope" {
			t.Errorf("got %+v", r)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, subject events.Subject
		want            bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.*", "a.b", true},
		{"a.*", "a", false},
		{"a.*", "a.b.c", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a", true},
		{"*.b.>", "a.b.c", true},
		{"*.b.>", "a.c.c", false},
		{"a.b.c", "a.b", false},
		{"", "", true},
	} {
		if got := events.Match(c.filter, c.subject); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.filter, c.subject, got)
		}
	}
}
