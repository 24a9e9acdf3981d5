// Package cli is alpha's command line: serve, greet, config, spec, version.
//
// # Usage
//
//	os.Exit(service.Main(cli.Command(document)))
//
// # Concurrency
//
// A command is executed once.
//
// # Testing
//
// Arguments, environment and output are passed in; the tests run the service for
// real on a real bus.
package cli
