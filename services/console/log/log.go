package log

import (
	"bytes"
	"io"
	"log/slog"

	"core.internal/shared/events"
	"core.internal/shared/log"

	"core.internal/services/console/config"
)

// hidden stands where a secret was.
const hidden = "[token]"

// New returns the console's logger. It never writes the secret, however it got
// into a line: in a URL that somebody opened, in an error of a library.
func New(w io.Writer, c config.Config, secret string) (*slog.Logger, error) {
	if secret != "" {
		w = &redactor{w: w, secret: []byte(secret)}
	}
	return log.New(w, log.Options{Level: c.LogLevel, Format: c.LogFormat, Source: events.Console, Node: c.Node})
}

// redactor replaces a secret in what is written. A logger writes each line with
// one call, so a secret is never cut in two.
type redactor struct {
	w      io.Writer
	secret []byte
}

func (r *redactor) Write(p []byte) (int, error) {
	if _, err := r.w.Write(bytes.ReplaceAll(p, r.secret, []byte(hidden))); err != nil {
		return 0, err
	}
	return len(p), nil
}
