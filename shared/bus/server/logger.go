package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// logger passes on what the server logs. What it calls fatal it only logs, so
// the first such line is kept: it is the cause of a failed start.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error // guarded by mu
}

func (l *logger) Noticef(format string, args ...any) { l.put(slog.LevelDebug, format, args...) }
func (l *logger) Debugf(format string, args ...any)  { l.put(slog.LevelDebug, format, args...) }
func (l *logger) Tracef(string, ...any)              {}
func (l *logger) Warnf(format string, args ...any)   { l.put(slog.LevelWarn, format, args...) }

// Errorf passes on errors, but for each single refusal: those are told together.
func (l *logger) Errorf(format string, args ...any) {
	level := slog.LevelWarn
	if strings.Contains(fmt.Sprintf(format, args...), natsd.ErrAuthentication.Error()) {
		level = slog.LevelDebug
	}
	l.put(level, format, args...)
}

func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, args...)
	}
}

func (l *logger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *logger) put(level slog.Level, format string, args ...any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...), "component", "nats-server")
	}
}
