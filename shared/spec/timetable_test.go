package spec

import (
	"testing"
	"time"
)

// Intervals are counted from a time that was said before, whenever one asks; where
// that was long ago, in the future, or not at all.
func TestAnchored(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.TimeOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return v.AddDate(2026, 0, 0)
	}
	for _, c := range []struct{ schedule, anchor, now, want string }{
		{"@every 90s", "12:00:00", "12:00:00", "12:01:30"},
		{"@every 90s", "12:00:00", "12:00:07", "12:01:30"},
		{"@every 90s", "12:00:00", "12:01:29", "12:01:30"},
		{"@every 90s", "12:00:00", "12:01:30", "12:03:00"},
		{"@every 90s", "12:00:00", "15:44:10", "15:45:00"},
		{"@every 90s", "12:00:00", "11:59:50", "12:00:00"},
		{"@every 90s", "12:00:00", "10:00:00", "10:01:30"},
		{"@every 90s", "", "12:00:07", "12:01:37"},
		{"*/15 * * * *", "12:07:00", "12:10:00", "12:15:00"},
	} {
		table, err := Process{Schedule: c.schedule}.Timetable()
		if err != nil {
			t.Fatal(err)
		}
		var anchor time.Time
		if c.anchor != "" {
			anchor = at(c.anchor)
		}
		if got := Anchored(table, anchor).Next(at(c.now)); !got.Equal(at(c.want)) {
			t.Errorf("%s from %s, asked at %s: %s, want %s", c.schedule, c.anchor, c.now, got.Format(time.TimeOnly), c.want)
		}
	}
}

// What a timetable says next, again and again, in RFC 3339 without seconds.
func TestTimetable(t *testing.T) {
	for _, c := range []struct {
		schedule, zone, from string
		want                 []string
	}{
		{"30 3 * * *", "", "2026-01-01T03:30", []string{"2026-01-02T03:30", "2026-01-03T03:30"}},
		{"@hourly", "", "2026-01-01T03:30", []string{"2026-01-01T04:00", "2026-01-01T05:00"}},
		{"@every 90s", "", "2026-01-01T03:30", []string{"2026-01-01T03:31:30", "2026-01-01T03:33"}},
		{"0 9 * * 1-5", "Europe/Berlin", "2026-01-02T12:00", []string{"2026-01-05T08:00", "2026-01-06T08:00"}},
		{"0 0 29 2 *", "", "2026-01-01T00:00", []string{"2028-02-29T00:00"}},
		// The clock is put forward from 2 to 3 on March 29, 2026.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", []string{"2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"}},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", []string{"2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:30"}},
		{"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00", []string{"2026-03-29T01:00", "2026-03-30T01:00"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15", []string{"2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"}},
		{"15 * * * *", "Europe/Berlin", "2026-03-29T00:30", []string{"2026-03-29T01:15", "2026-03-29T02:15"}},
		// And back from 3 to 2 on October 25.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", []string{"2026-10-25T00:30", "2026-10-26T01:30"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:45", []string{"2026-10-26T01:30"}},
		{"45 2 * * *", "Europe/Berlin", "2026-10-25T01:00", []string{"2026-10-26T01:45"}},
		{"0 3 * * *", "Europe/Berlin", "2026-10-25T00:30", []string{"2026-10-25T02:00", "2026-10-26T02:00"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45", []string{"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"}},
		{"15 * * * *", "Europe/Berlin", "2026-10-25T00:00", []string{"2026-10-25T00:15", "2026-10-25T01:15", "2026-10-25T02:15"}},
		{"@every 1h", "Europe/Berlin", "2026-10-25T00:10", []string{"2026-10-25T01:10", "2026-10-25T02:10"}},
		// A zone whose midnight is left out, and one with half an hour.
		{"0 0 * * *", "America/Santiago", "2026-09-05T12:00", []string{"2026-09-06T04:00", "2026-09-07T03:00"}},
		{"10 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", []string{"2026-10-03T15:30", "2026-10-04T15:10"}},
		// One that left a whole day out.
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T23:00", []string{"2011-12-30T10:00", "2011-12-30T22:00", "2011-12-31T22:00"}},
	} {
		p := Process{Schedule: c.schedule, Timezone: c.zone}
		table, err := p.Timetable()
		if err != nil {
			t.Errorf("%s: %v", c.schedule, err)
			continue
		}
		at := instant(t, c.from)
		for _, want := range c.want {
			next := table.Next(at)
			if !next.Equal(instant(t, want)) {
				t.Errorf("%s %s after %s: %s, want %s", c.schedule, c.zone, at.Format(time.RFC3339), next.Format(time.RFC3339), want)
				break
			}
			at = next
		}
	}
	for _, p := range []Process{{Schedule: "nonsense"}, {Schedule: "@daily", Timezone: "Mars/Olympus"}} {
		if _, err := p.Timetable(); err == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no time", s)
	return time.Time{}
}
