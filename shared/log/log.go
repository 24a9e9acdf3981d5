package log

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"

	"core.internal/shared/events"
)

// Names of attributes.
const (
	Node     = "node"
	Source   = "source"
	Service  = "service"
	Instance = "instance"
	Stage    = "stage"
	Subject  = "subject"
	Sequence = "seq"
	Error    = "error"
)

// Options say what is logged and how.
type Options struct {
	Level  string // debug, info (if empty), warn or error
	Format string // text, json, or auto (if empty): text on a terminal
	Source events.Source
	Node   events.Node
}

// New returns a logger that writes to w.
func New(w io.Writer, o Options) (*slog.Logger, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: want debug, info, warn or error", o.Level)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch o.Format {
	case "text":
		handler = slog.NewTextHandler(w, options)
	case "json":
		handler = slog.NewJSONHandler(w, options)
	case "", "auto":
		if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
			handler = slog.NewTextHandler(w, options)
		} else {
			handler = slog.NewJSONHandler(w, options)
		}
	default:
		return nil, fmt.Errorf("log format %q: want auto, text or json", o.Format)
	}
	return slog.New(handler).With(Node, o.Node, Source, o.Source), nil
}
