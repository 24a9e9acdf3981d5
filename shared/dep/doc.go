// Package dep brings binaries onto the machine: those of this workspace by
// building them, those of the system by finding them.
//
// # Usage
//
//	store := dep.Store{Bin: bin, Workspace: workspace}
//	paths, err := store.Ensure(ctx, []dep.Want{
//		{Name: "busd", Source: spec.SourceGoBuild, Asset: "core.internal/busd"},
//		{Name: "redis-server", Source: spec.SourceSystem, Asset: "redis-server"},
//	}, func(p dep.Progress) { fmt.Fprintln(os.Stderr, p) })
//
// # What is built when
//
// Beside each binary is a manifest of what it was built from: the files and
// directories of local modules with size and time, go.mod, go.sum and go.work
// files, the go command and the settings that matter to it. While nothing of it
// has changed Ensure looks at files and runs nothing, which takes a millisecond or
// two; otherwise it runs go build, which is fast where its cache is warm. A file
// changed while it is being built makes the next Ensure build again. Versions of
// modules are not looked at beyond go.mod and go.sum: the module cache is read-only.
//
// Binaries are switched by rename: what runs goes on with the old one, and a
// cancelled or failed build leaves the old one in place. Processes that want the
// same binary at once build it once: the others wait for it.
//
// Binaries are built with -trimpath, and without cgo (unless CGO_ENABLED is set)
// and version-control stamps: the same sources give the same bytes, and a commit
// alone changes none. [GoBuild] and [GoEnviron] are for others who build them.
// Without a workspace, go-build binaries are those that lie beside the running
// executable, in Bin or on PATH.
//
// The version of a Want says what its spec was written for. Neither go-build nor
// system installs a version of choice, so they do not look at it.
//
// # Concurrency
//
// A Store is a value; Ensure may be called by several goroutines and processes.
//
// # Testing
//
// Tests build small modules in temporary workspaces with the real go command.
package dep
