package log

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"core.internal/shared/log"

	"core.internal/services/alpha/config"
	"core.internal/services/alpha/process"
)

// Attributes of alpha's lines.
const (
	Name    = "name"
	Count   = "count"
	Skipped = "skipped"
)

// New returns alpha's logger.
func New(w io.Writer, c config.Config) (*slog.Logger, error) {
	return log.New(w, log.Options{Level: c.LogLevel, Format: c.LogFormat, Source: process.Source, Node: c.Node})
}

// perSecond is how many greetings are written in one second at most.
const perSecond = 20

// Greetings writes one line per greeting, and counts those that come too fast.
type Greetings struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	second  time.Time // guarded by mu; the second that is counted
	written int       // guarded by mu; lines in it
	skipped int       // guarded by mu; since the last line
}

// NewGreetings returns a writer of greetings.
func NewGreetings(l *slog.Logger, now func() time.Time) *Greetings {
	return &Greetings{log: l, now: now}
}

// Write logs a greeting.
func (g *Greetings) Write(name string, count int) {
	g.mu.Lock()
	if second := g.now().Truncate(time.Second); !second.Equal(g.second) {
		g.second, g.written = second, 0
	}
	if g.written >= perSecond {
		g.skipped++
		g.mu.Unlock()
		return
	}
	attrs := []any{Name, name, Count, count}
	if g.skipped > 0 {
		attrs = append(attrs, Skipped, g.skipped)
	}
	g.written++
	g.skipped = 0
	g.mu.Unlock()
	g.log.Info("greeted", attrs...)
}
