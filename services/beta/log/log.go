package log

import (
	"io"
	"log/slog"

	"core.internal/shared/log"

	"core.internal/services/beta/config"
	"core.internal/services/beta/process"
)

// Attributes of beta's lines.
const (
	Name   = "name"
	Count  = "count"
	Series = "series"
)

// New returns beta's logger.
func New(w io.Writer, c config.Config) (*slog.Logger, error) {
	return log.New(w, log.Options{Level: c.LogLevel, Format: c.LogFormat, Source: process.Source, Node: c.Node})
}

// Tallied returns the function that logs what a fact changed. alpha logs the
// greetings themselves, so beta does at debug level only.
func Tallied(l *slog.Logger) func(process.Greeted) {
	return func(g process.Greeted) {
		l.Debug("tallied", Name, g.Name, Count, g.Count, Series, g.Series)
	}
}
