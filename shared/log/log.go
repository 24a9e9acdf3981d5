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

// New returns a logger that writes to w. Each line has the node and the source,
// unless they are empty.
func New(w io.Writer, o Options) (*slog.Logger, error) {
	level, err := parseLevel(o.Level)
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch o.Format {
	case "text":
		handler = slog.NewTextHandler(w, options)
	case "json":
		handler = slog.NewJSONHandler(w, options)
	case "", "auto":
		if terminal(w) {
			handler = slog.NewTextHandler(w, options)
		} else {
			handler = slog.NewJSONHandler(w, options)
		}
	default:
		return nil, fmt.Errorf("log format %q: want auto, text or json", o.Format)
	}
	logger := slog.New(handler)
	if o.Node != "" {
		logger = logger.With(Node, string(o.Node))
	}
	if o.Source != "" {
		logger = logger.With(Source, string(o.Source))
	}
	return logger, nil
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q: want debug, info, warn or error", text)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
