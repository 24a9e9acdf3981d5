package config

import (
	"path/filepath"

	"core.internal/shared/events"
)

// Directories of a root beside those of its nodes.
const (
	binDir   = "bin"
	specsDir = "specs"
	depsDir  = "store" // of shared/dep: what is downloaded
)

// Layout names the files of one node. The node directory is <root>/<node>;
// binaries are shared by the nodes of a root.
type Layout struct {
	Dir  string // the node directory, absolute
	Root string // absolute
}

// Layout returns where the node keeps its files.
func (n Node) Layout() Layout {
	root, err := filepath.Abs(n.Root)
	if err != nil { // the working directory is gone: the path stays as it is
		root = filepath.Clean(n.Root)
	}
	return Layout{Dir: filepath.Join(root, string(n.Name)), Root: root}
}

func (l Layout) in(parts ...string) string {
	return filepath.Join(append([]string{l.Dir}, parts...)...)
}

func (l Layout) Bin() string       { return filepath.Join(l.Root, binDir) }   // installed binaries
func (l Layout) Specs() string     { return filepath.Join(l.Root, specsDir) } // the operator's own specs
func (l Layout) Lock() string      { return l.in("lock") }                    // held by the launcher
func (l Layout) Keys() string      { return l.in("keys") }                    // credentials, mode 0700
func (l Layout) Secrets() string   { return l.in("secrets") }                 // {secret.NAME} of specs, a file each, mode 0600
func (l Layout) Decisions() string { return l.in("decisions.json") }          // what operators decided
func (l Layout) Run() string       { return l.in("run") }                     // records and FIFOs of processes
func (l Layout) Logs() string      { return l.in("logs") }                    // log files
func (l Layout) Downloads() string { return l.in("downloads") }               // what specs ask for, until all of it is there
func (l Layout) Store() string     { return l.in("store") }                   // the bus's

func (l Layout) Log(name string) string      { return l.in("logs", name+".log") }
func (l Layout) Data(service string) string  { return l.in("data", service) }
func (l Layout) Conf(service string) string  { return l.in("conf", service) }
func (l Layout) Seed(s events.Source) string { return l.in("keys", string(s)+".nk") }
func (l Layout) Pub(s events.Source) string  { return l.in("keys", string(s)+".pub") }
func (l Layout) ConsoleToken() string        { return l.in("keys", "console.token") }
func (l Layout) NodeFile() string            { return l.in("run", "node.json") }
