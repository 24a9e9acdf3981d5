package cli

import (
	"fmt"
	"strconv"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/spec"
)

// since is a place in a log: a sequence or a time.
type since struct {
	seq  uint64    // the first to show; 0 where a time is meant
	time time.Time // zero where a sequence is meant, or the beginning
}

// parseSince reads what --since takes, or another flag of that kind.
func parseSince(flag, text string, now time.Time, sequences bool) (since, error) {
	if text == "" {
		return since{}, nil
	}
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil && sequences {
		return since{seq: seq}, nil
	}
	if d, err := spec.ParseDuration(text); err == nil {
		return since{time: now.Add(-d)}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return since{time: t}, nil
	}
	want := `a duration ("10m"), or a time as in RFC 3339 ("2006-01-02T15:04:05Z")`
	if sequences {
		want += ", or a sequence (\"41\")"
	}
	return since{}, &config.UsageError{Err: fmt.Errorf("flag --%s=%q: want %s", flag, text, want)}
}
