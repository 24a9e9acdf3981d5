package config

import (
	"path/filepath"
	"slices"
	"time"

	"core.internal/shared/events"
)

// DefaultRoot is the directory of nodes where none is named.
const DefaultRoot = ".core"

// Node has the settings that the launcher and every daemon share.
type Node struct {
	Name       events.Node
	Root       string
	Profiles   Strings
	Specs      Strings // further directories with specs
	SpecsWatch bool    // specs that change while the node runs are read again
	SpecsApply string  // auto or manual: whether they are then applied
	// Workspace is the source tree whose services and binaries are used; empty
	// for an installation.
	Workspace string

	BusURL      string // an external bus; empty for the node's own
	BusListen   string
	BusStore    string // memory or file
	BusSync     string // file store: how often it is written through; empty for always
	BusSeedFile string
	EdgeListen  string

	DepGitHub  string  // address of github.com, or of a GitHub Enterprise server
	DepMirrors Strings // "prefix=replacement" of URLs that dependencies come from
	DepOffline bool    // dependencies come from the store and from files only

	MetricsListen string
	LogLevel      string
	LogFormat     string
	StageTimeout  time.Duration
	StopTimeout   time.Duration

	// Stage and Boot are set by a launcher for its daemons: the stage a daemon
	// belongs to and the id of the boot. Run alone, a daemon has neither.
	Stage string
	Boot  string
}

// What [Node.SpecsApply] may be.
const (
	applyAuto   = "auto"
	applyManual = "manual"
)

// SpecsManual reports whether specs that changed are applied only when somebody
// asks for it.
func (n Node) SpecsManual() bool { return n.SpecsApply == applyManual }

// Default returns the settings that nobody has changed.
func Default() Node {
	var n Node
	n.Register(New("default"))
	return n
}

// Register adds the settings to a set, with their defaults.
func (n *Node) Register(s *Set) {
	s.CheckedVar((*string)(&n.Name), "node", "local", "name of the node, unique in its cluster", checkNode)
	s.CheckedVar(&n.Root, "root", DefaultRoot, "directory in which nodes keep their files", checkRoot)
	s.CheckedStringsVar(&n.Profiles, "profile", Strings{"default"}, "profile whose services are enabled; repeatable", checkToken)
	s.StringsVar(&n.Specs, "specs", nil, "further directory with service specs; repeatable")
	s.BoolVar(&n.SpecsWatch, "specs.watch", true, "whether specs are read again when they change")
	s.CheckedVar(&n.SpecsApply, "specs.apply", applyAuto, "whether specs that changed are applied: auto, or manual with `spec apply`", OneOf(applyAuto, applyManual))
	s.StringVar(&n.Workspace, "workspace", "", "source tree with services; the launcher finds the one it is started in if empty")
	s.CheckedVar(&n.BusURL, "bus.url", "", "URL of an external bus; the node runs its own if empty", checkBusURL)
	s.CheckedVar(&n.BusListen, "bus.listen", "127.0.0.1:4222", "host:port of the node's own bus; port 0 for any free one", checkListen)
	s.CheckedVar(&n.BusStore, "bus.store", "memory", "where the bus keeps its streams: memory or file", checkStore)
	s.CheckedVar(&n.BusSync, "bus.sync", "", `how often a file store is written through: "always" (default) or a duration`, checkSync)
	s.StringVar(&n.BusSeedFile, "bus.seed-file", "", "file with the credential for the bus; the node directory's own if empty")
	s.CheckedVar(&n.EdgeListen, "edge.listen", "127.0.0.1:8080", "host:port on which the edge answers HTTP; port 0 for any free one", checkListen)
	s.CheckedVar(&n.DepGitHub, "dep.github", "https://github.com", "address of github.com or of a GitHub Enterprise server; a token is read from CORE_GITHUB_TOKEN only", checkGitHub)
	s.CheckedStringsVar(&n.DepMirrors, "dep.mirrors", nil, `"prefix=replacement": how URLs of dependencies begin, and what is asked instead; repeatable`, checkMirror)
	s.BoolVar(&n.DepOffline, "dep.offline", false, "download nothing: dependencies are those installed already, and files")
	s.CheckedVar(&n.MetricsListen, "metrics.listen", "127.0.0.1:0", "host:port of a daemon's /metrics and /healthz; port 0 for any free one", checkListen)
	s.CheckedVar(&n.LogLevel, "log.level", "info", "least level that is logged: debug, info, warn or error", checkLevel)
	s.CheckedVar(&n.LogFormat, "log.format", "auto", "text, json, or auto: text on a terminal", checkFormat)
	s.PositiveVar(&n.StageTimeout, "stage.timeout", 30*time.Second, "how long one stage of the boot may take")
	s.PositiveVar(&n.StopTimeout, "stop.timeout", 10*time.Second, "how long a process may take to end before it is killed")
	s.StringVar(&n.Stage, "stage", "", "set by the launcher for its daemons: the stage to wait for")
	s.StringVar(&n.Boot, "boot", "", "set by the launcher for its daemons: the id of the boot")
}

// Environ returns the settings as variables, for a process that is to have the
// same. Paths are absolute, because it may run in another directory.
func (n Node) Environ() []string {
	n.Root, n.Workspace, n.BusSeedFile = absolute(n.Root), absolute(n.Workspace), absolute(n.BusSeedFile)
	n.Specs = slices.Clone(n.Specs)
	for i, dir := range n.Specs {
		n.Specs[i] = absolute(dir)
	}
	set := New("environ")
	var registered Node
	registered.Register(set)
	registered = n // which is what the set's flags point to
	var environ []string
	for _, setting := range set.Settings() {
		if setting.Name != fileFlag {
			environ = append(environ, Variable(setting.Name)+"="+setting.Value)
		}
	}
	return environ
}

// absolute is a path as it is from anywhere; an empty one stays empty.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path // the working directory is gone
}
