// Package dep brings binaries onto the machine: those of this workspace by building
// them, those of the system by finding them, all others by installing what a lock
// file names. docs/dependencies.md is its guide.
//
// # Usage
//
//	store := dep.ForNode(node, workspace, os.Environ())
//	want, ok := dep.WantOf(located) // what a spec's dep asks for
//	_, err := store.Lock(ctx, []dep.Want{want}, dep.Locking{}, nil)
//	paths, err := store.Ensure(ctx, []dep.Want{
//		want,
//		{Dep: spec.Dep{Name: "busd", Source: spec.SourceGoBuild, Asset: "core.internal/busd"}},
//	}, func(p dep.Progress) { fmt.Fprintln(os.Stderr, p) })
//
// [Store.Status] and [Store.Verify] tell how a want stands, [Store.GC] removes what
// nobody wants any more.
//
// # What is installed
//
// What is not built or the system's (sources github-release, http, file, go-install
// and oci) comes in four steps. [Store.Lock] asks the source once and notes in the
// lock file (package lock) what there is for a platform: size and hash, the digest of
// a manifest, or a module's sum. Ensure refuses what is not locked before it asks
// anybody. It downloads (package fetch) and verifies that it is what is locked;
// unpacks (package archive) into a directory of its own, which is renamed to its
// place; and switches the links in Bin, one rename each. Whatever fails leaves the
// old links, which lead to the old files.
//
// Files are below the directory store of Root, in trees that are named by their
// content, or by what they are built from: one tree serves all dependencies that have
// the same. Nothing is written there but by this package; what runs from a tree keeps
// GC away from it.
//
// An [Error] names the dependency and what to correct. [Error.Temporary] says that
// there is nothing to correct and another attempt may do: the server does not answer,
// fails, or asks to wait.
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
// Neither go-build nor system installs a version of choice, so they do not look at
// the version of a Want: it says what its spec was written for.
//
// # Concurrency
//
// A Store is a value; its methods may be called by several goroutines and processes.
// Each tree, download and layer, all links together, each build, and Lock itself are
// guarded among processes by flock, so that what several want is made once; the files
// for that are in Bin and in the store. Who waits for a tree or a build says so
// ([PhaseWaiting]), and all can be cancelled.
//
// # Testing
//
// Tests build small modules in temporary workspaces with the real go command, and
// install from web servers, registries and module proxies on the loopback address.
//
// # Sources
//
// Registries: OCI Distribution Specification 1.1 and OCI Image Specification 1.1, with
// the token of the Distribution project's "Token Authentication Specification".
// Modules: "Go Modules Reference". Locks among processes: flock(2).
package dep
