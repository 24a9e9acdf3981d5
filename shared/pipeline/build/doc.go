// Package build is the pipeline "build": it compiles the platform's own
// binaries from a source tree.
//
// # Usage
//
//	registry, err := pipeline.NewRegistry(build.Pipeline(build.Options{
//		Workspace: "…", Dir: "…/data/pipelined/build",
//	}))
//
// Its steps are toolchain, which looks at the go command and at what is to be
// built; compile-<name> for the launcher, each daemon and each service; and
// manifest, which lists every binary with its size and sha256 in manifest.json.
// The parameter "targets" names the binaries to build, all if empty.
//
// Each run has a directory of its own below [Options.Dir]; the oldest ones are
// removed. Binaries are built as a boot builds them (shared/dep), with -trimpath
// and without cgo and version-control stamps: a run after a boot finds everything
// compiled, and the same sources and the same Go release give the same bytes,
// wherever they lie. Every step may be repeated.
//
// # Concurrency
//
// The pipeline may be run several times at once.
//
// # Testing
//
// The tests build small workspaces with the real go command.
package build
