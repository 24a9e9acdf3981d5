package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// logger passes on what the server logs. What it calls fatal it only logs, so
// the first such line is kept: it is the cause of a failed start.
type logger struct {
	log *slog.Logger

	// unstored gets the first failure to write to the disk; has room for one.
	unstored chan error

	mu    sync.Mutex
	fatal error // guarded by mu
}

func newLogger(log *slog.Logger) *logger { return &logger{log: log, unstored: make(chan error, 1)} }

func (l *logger) Noticef(format string, args ...any) { l.put(slog.LevelDebug, format, args...) }
func (l *logger) Debugf(format string, args ...any)  { l.put(slog.LevelDebug, format, args...) }
func (l *logger) Tracef(string, ...any)              {}
func (l *logger) Warnf(format string, args ...any)   { l.put(slog.LevelWarn, format, args...) }

// Errorf passes on errors, but for each single refusal: those are told together.
func (l *logger) Errorf(format string, args ...any) {
	level := slog.LevelWarn
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, natsd.ErrAuthentication.Error()) {
		level = slog.LevelDebug
	}
	if unstored(text) {
		select {
		case l.unstored <- errors.New(text):
		default:
		}
	}
	l.put(level, format, args...)
}

// unstored reports whether the server says that it could not write a message. It
// says so nowhere else, and the stream takes none from then on.
func unstored(text string) bool {
	if !strings.Contains(text, "failed to store a msg") {
		return false
	}
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS}, func(err error) bool {
		return strings.Contains(text, err.Error())
	})
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
