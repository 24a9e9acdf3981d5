package ui

import (
	"fmt"
	"strconv"
	"time"

	"core.internal/shared/state"
)

func (b *builder) usage(v state.Service) *Usage {
	one, ok := b.used.Of(v.ID, v.Instance)
	if !ok {
		return nil
	}
	u := &Usage{CPU: fmt.Sprintf("%.1f%%", one.CPUPercent), Memory: Bytes(one.ResidentBytes), Uptime: b.age(v.Since)}
	if one.OpenFDs >= 0 {
		u.OpenFDs = strconv.Itoa(one.OpenFDs)
	}
	if one.HealthMS > 0 {
		u.Check = Took(time.Duration(one.HealthMS * float64(time.Millisecond)))
	}
	return u
}

// Bytes says a number of bytes to three digits, in powers of 1024: "512B",
// "4.0kB", "41.2MB", "1.50GB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", max(n, 0))
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	digits := 1
	switch {
	case size >= 100:
		digits = 0
	case unit >= 2 && size < 10:
		digits = 2
	}
	return strconv.FormatFloat(size, 'f', digits, 64) + units[unit:unit+1] + "B"
}

const units = "kMGT"
