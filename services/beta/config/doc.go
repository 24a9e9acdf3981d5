// Package config has beta's settings: those of every service and its own. Each
// comes from a flag, a CORE_… variable, a file or its default.
//
// # Usage
//
//	c, set := config.New()
//	err := set.Parse(args, environ)
//	err = c.Validate()
//
// # Concurrency
//
// A set is parsed once, by one goroutine; a [Config] is plain data from then on.
//
// # Testing
//
// Arguments and environment are passed in, so a test needs neither.
package config
