// Package log makes the structured logger that every program of the platform
// uses, and names its attributes.
//
// # Usage
//
//	logger, err := log.New(os.Stderr, log.Options{Level: "info", Format: "auto", Source: events.Procd, Node: "local"})
//	logger.Info("started", log.Service, id, log.Instance, instance)
//
// Nothing secret is logged: name the file of a credential, never what is in it.
//
// # Concurrency
//
// Loggers may be used by several goroutines; a line is one write.
//
// # Testing
//
// New takes the writer: give it a buffer, or use a [slog.DiscardHandler].
//
// # Sources
//
// [log/slog].
package log
