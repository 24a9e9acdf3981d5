package spec

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Timetable is the process's schedule in its time zone. Its times are UTC.
//
// Where clocks are changed it does what Debian's cron does. A job of certain
// hours runs once each day: a time that is left out comes when the clock has
// been put forward, one that is there twice comes the first time. A job of every
// hour, as "*/10 * * * *" and "@every 90s", runs as often as time passes.
func (p Process) Timetable() (Schedule, error) {
	s, err := ParseSchedule(p.Schedule)
	if err != nil {
		return nil, err
	}
	zone, err := p.Location()
	if err != nil {
		return nil, err
	}
	t := timetable{Schedule: s, zone: zone}
	switch s := s.(type) {
	case *cron.SpecSchedule:
		t.daily = s.Hour&everyHour == 0
	case cron.ConstantDelaySchedule:
		t.every = s.Delay
	}
	return t, nil
}

// Anchored is a timetable that counts an interval, as in "@every 90s", from a time
// that it said before, so that the times do not drift with how late they are asked
// for. Without such a time (zero) it counts from when it is asked; what is no
// interval is as it was.
func Anchored(s Schedule, at time.Time) Schedule {
	t, ok := s.(timetable)
	if !ok || t.every == 0 {
		return s
	}
	t.anchor = at
	return t
}

// everyHour is the bit with which the library marks a field that is "*".
const everyHour = 1 << 63

type timetable struct {
	Schedule
	zone  *time.Location
	daily bool // its times are of certain hours
	// every is the interval from one time to the next, anchor one of the times; both
	// may be zero.
	every  time.Duration
	anchor time.Time
}

// Next implements [Schedule].
func (t timetable) Next(now time.Time) time.Time {
	if !t.anchor.IsZero() {
		past := now.Sub(t.anchor) % t.every
		if past < 0 { // the clock was set back
			past += t.every
		}
		return now.Add(t.every - past).UTC()
	}
	if !t.daily {
		return utc(t.Schedule.Next(now.In(t.zone)))
	}
	// A clock on the wall that is never changed.
	year, month, day := now.In(t.zone).Date()
	hour, minute, second := now.In(t.zone).Clock()
	wall := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	// The time that comes when the clock was put forward stands before now on
	// the wall, for as long as what was left out.
	wall = wall.Add(-longestGap)
	for range 10_000 {
		if wall = t.Schedule.Next(wall); wall.IsZero() {
			return wall
		}
		if at := t.at(wall); at.After(now) {
			return at
		}
	}
	return time.Time{}
}

// longestGap is more than any zone's clocks are put forward.
const longestGap = 25 * time.Hour

// at is when the wall's clock shows this time, the first time that it does; where
// it never does, when it was put forward past it.
func (t timetable) at(wall time.Time) time.Time {
	year, month, day := wall.Date()
	hour, minute, second := wall.Clock()
	at := time.Date(year, month, day, hour, minute, second, 0, t.zone)
	// The offset in force a day before is the one before a change.
	_, offset := at.AddDate(0, 0, -1).Zone()
	first := wall.Add(-time.Duration(offset) * time.Second)
	if shows(first.In(t.zone), wall) {
		return first.UTC()
	}
	if shows(at, wall) {
		return at.UTC()
	}
	start, end := at.ZoneBounds()
	if change := start; !change.IsZero() && at.Sub(change) < longestGap {
		return change.UTC()
	}
	return end.UTC()
}

// shows reports whether a clock in t's zone shows the time on the wall.
func shows(t, wall time.Time) bool {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC).Equal(wall)
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
