// Package cli composes the launcher: the command line of shared/cli on the boot
// graph of shared/boot.
//
// # Usage
//
//	os.Exit(cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
//
// # Signals
//
// The first interrupt or request to terminate ends what goes on, and takes a
// node in the foreground down; another one ends the process at once.
//
// # Concurrency
//
// Main is called once per process, since it listens for signals.
//
// # Testing
//
// The commands are tested in shared/cli; whole boots in ci.
package cli
