package ui

import (
	"fmt"
	"time"
)

// Span says how long something lasts, for people: "0s", "42s", "3m 5s",
// "2h 10m", "4d 1h". It is exact to its smaller unit.
func Span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 60*60:
		return fmt.Sprintf("%dm %ds", s/60, s%60)
	case s < 24*60*60:
		return fmt.Sprintf("%dh %dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd %dh", s/86400, s/3600%24)
}

// Took says how long something took, to three digits: "0.8ms", "12.3ms",
// "456ms", "1.23s", then as [Span].
func Took(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 100:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.2fs", ms/1000)
	case ms < 60_000:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
	return Span(d)
}
