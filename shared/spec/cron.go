package spec

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a cron job runs.
type Schedule interface {
	// Next is the first time after t; the zero time for never.
	Next(t time.Time) time.Time
}

// ParseSchedule reads the five fields of cron (minute, hour, day of month,
// month, day of week) or one of its words, such as "@hourly" and "@every 90s".
// The times are of the location of the argument of Next; see
// [Process.Location].
func ParseSchedule(s string) (Schedule, error) {
	switch {
	case strings.HasPrefix(s, "TZ="), strings.HasPrefix(s, "CRON_TZ="):
		return nil, errors.New("a time zone in the schedule: say it in timezone")
	case len(s) > 256:
		return nil, errors.New("longer than 256 characters")
	}
	if every, ok := strings.CutPrefix(s, "@every "); ok {
		d, err := time.ParseDuration(every)
		if err != nil || d < time.Second {
			return nil, fmt.Errorf("%q is no duration of a second or more", shorten(every))
		}
	}
	schedule, err := cron.ParseStandard(s)
	if err != nil {
		return nil, fmt.Errorf("found %q (%s)", shorten(s), shorten(err.Error()))
	}
	// A day that no year has, such as February 30, never comes.
	if schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes", shorten(s))
	}
	return schedule, nil
}

// Location is the time zone of the process's schedule.
func (p Process) Location() (*time.Location, error) {
	if p.Timezone == "" {
		return time.UTC, nil
	}
	return time.LoadLocation(p.Timezone)
}
