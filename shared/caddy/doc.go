// Package caddy runs Caddy inside this process. It is the only package that
// links it.
//
// # Usage
//
//	s := caddy.New(caddy.Options{Site: site.Options{Listen: "127.0.0.1:8080"}})
//	err := s.Start(ctx)
//	refused, err := s.Apply(sites)
//	err = s.Stop()
//
// Caddy is one per process, and so is a [Server]. A reload takes milliseconds,
// drops no request, and changes nothing when the configuration is the same.
//
// # Concurrency
//
// A Server may be used by several goroutines; its calls follow one another.
//
// # Testing
//
// The decisions are tested in package site without Caddy; the tests here load
// the real one.
package caddy
