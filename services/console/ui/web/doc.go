// Package web makes the console's pages: those of shared/ui/web, for this node,
// behind the token in its key directory.
//
// # Usage
//
//	pages, err := web.New(c, token, logger)
//
// # Concurrency
//
// As [core.internal/shared/ui/web.Server].
//
// # Testing
//
// The pages are tested in shared; here only what is decided here.
package web
