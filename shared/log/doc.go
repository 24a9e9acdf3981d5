// Package log makes the structured logger that every program of the platform
// uses, and names its attributes.
//
// # Usage
//
//	logger, err := log.New(os.Stderr, log.Options{Level: "info", Format: "auto", Source: events.Procd, Node: "local"})
//	logger.Info("started", log.Service, id, log.Instance, instance)
//
// # Concurrency
//
// Loggers may be used by several goroutines.
package log
