// Package cli is the command line of the platform: every command of `launcher`,
// from bringing a node up to following a pipeline's steps.
//
// # Usage
//
//	err := cli.Exec(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, cli.App{Name: "launcher", …})
//	os.Exit(cli.ExitCode(err))
//
// Data goes to standard output, everything else to standard error; the exit
// codes are [ExitOK], [ExitFailed], [ExitUsage] and [ExitInterrupted]. Exec has
// told the user about its error when it returns.
//
// # Commands
//
// The tree of commands is a table of [command] values. Verbs on services, their
// help and their requests come from the action registry of shared/ui, tables from
// its page. ffcli dispatches; what it leaves open (flags behind arguments,
// misspelt commands) is settled before. Each command has a config.Set of its own
// flags and of every setting of a node. docs/cli.md is generated from the tree.
//
// # Reaching a node
//
// A running node leaves run/node.json in its directory; its bus is dialled with
// the operator's credential from there. --bus.url names another bus. Commands
// that ask for something fold the node's facts first, so that no outcome is
// missed, send the request and wait until its outcome has been folded.
//
// # Detaching
//
// `up --detach` starts the same program again in a session of its own, which
// tells over a pipe how far it is.
//
// # Concurrency
//
// Exec may be called several times at once; it joins what it starts.
//
// # Testing
//
// testdata/script has scripts in which the program runs in the test's process.
// Commands that need a node are tested against a real bus whose daemons the test
// plays, and with all daemons in ci.
package cli
