// Package dep puts binaries in place: packages of this workspace, built with
// the go command, and commands that the machine has.
//
// # Usage
//
//	store := dep.Store{Bin: layout.Bin(), Workspace: root}
//	paths, err := store.Ensure(ctx, wants, func(p dep.Progress) { fmt.Println(p) })
//
// # Freshness
//
// After a build the store records which files went into it, with size and
// modification time. The next Ensure only looks at those and starts no go
// command when nothing changed. A build goes to a file of its own and is
// renamed, so a binary is never half-written; two processes that want the same
// binary build it once.
//
// # Concurrency
//
// A Store is a value; Ensure may be called by several goroutines and processes.
//
// # Testing
//
// The tests build tiny modules in workspaces of their own with the real go
// command.
package dep
