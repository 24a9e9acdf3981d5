package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is written as Go writes it, with "d" for days allowed: "5s", "7d".
type Duration time.Duration

// day is what "d" stands for: 24 hours, whatever the calendar says.
const day = 24 * time.Hour

// ParseDuration reads a duration as [time.ParseDuration] does, where whole days
// may stand in front: "7d", "1d12h", "1.5s". It must not be negative.
func ParseDuration(s string) (time.Duration, error) {
	fail := func() (time.Duration, error) {
		return 0, fmt.Errorf(`duration %q: want a number with a unit, as in "500ms", "5s", "12h" or "7d"`, s)
	}
	rest := s
	var days time.Duration
	if number, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || strings.HasPrefix(number, "+") {
			return fail()
		}
		if n > uint64(math.MaxInt64/day) {
			return 0, fmt.Errorf("duration %q: more than %d days", s, math.MaxInt64/day)
		}
		if days = time.Duration(n) * day; after == "" {
			return days, nil
		}
		rest = after
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return fail()
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return fail()
	}
	if days > math.MaxInt64-d {
		return 0, fmt.Errorf("duration %q: more than %d days", s, math.MaxInt64/day)
	}
	return days + d, nil
}

// String writes the duration so that [ParseDuration] reads it.
func (d Duration) String() string { return time.Duration(d).String() }

// Or returns the duration, or another where it is 0.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := ParseDuration(s)
	*d = Duration(v)
	return err
}
