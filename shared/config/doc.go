// Package config resolves settings: each can be given as a flag, as a CORE_…
// variable or in a JSON file, in this order of precedence, and knows where its
// value came from.
//
// # Usage
//
//	set := config.New("procd")
//	var node config.Node
//	node.Register(set)
//	err := set.Parse(os.Args[1:], os.Environ())
//
// The setting "bus.store" is the flag --bus.store, the variable CORE_BUS_STORE
// and, in a file, {"bus": {"store": "file"}} or {"bus.store": "file"}. Flags may
// stand before and after other arguments; "--" ends them. Errors are of type
// [*UsageError] and name flag, variable or file, line and column, and what was
// expected; a password in a refused value is left out.
//
// A setting that only some values fit is added with [Set.CheckedVar],
// [Set.CheckedStringsVar] or [Set.PositiveVar], so that a wrong one is refused
// where it was given.
//
// [Node] has the settings that the launcher and every daemon share, and
// [Layout] the files of a node directory. [NodeFile] tells other programs where
// a running node is, and [Decisions] are what its operators decided.
//
// # Concurrency
//
// A [Set] belongs to one goroutine. The other types are plain data.
//
// # Testing
//
// Parse takes the environment as an argument, so tests need not change theirs.
// go test core.internal/shared/config -update rewrites what testdata says of
// malformed files, for which there is a fuzz target as well.
//
// # Sources
//
// Precedence and files go through github.com/peterbourgon/ff. JSON: RFC 8259.
package config
