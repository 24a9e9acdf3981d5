// Package cli is the console's command line: serve, link, config, spec, version.
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
// Arguments, environment and output are passed in.
package cli
