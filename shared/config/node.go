package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"core.internal/shared/events"
)

// DefaultRoot is the directory of nodes where none is named.
const DefaultRoot = ".core"

// Node has the settings that the launcher and every daemon share.
type Node struct {
	Name     events.Node
	Root     string
	Profiles Strings
	Specs    Strings // further directories with specs
	// Workspace is the source tree whose services and binaries are used; empty
	// for an installation.
	Workspace string

	BusURL      string // an external bus; empty for the node's own
	BusListen   string
	BusStore    string // memory or file
	BusSync     string // file store: how often it is written through; empty for always
	BusSeedFile string
	EdgeListen  string

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

// Default returns the settings that nobody has changed.
func Default() Node {
	var n Node
	n.Register(New("default"))
	return n
}

// Register adds the settings to a set, with their defaults.
func (n *Node) Register(s *Set) {
	s.StringVar((*string)(&n.Name), "node", "local", "name of the node, unique in its cluster")
	s.StringVar(&n.Root, "root", DefaultRoot, "directory in which nodes keep their files")
	s.StringsVar(&n.Profiles, "profile", Strings{"default"}, "profile whose services are enabled; repeatable")
	s.StringsVar(&n.Specs, "specs", nil, "further directory with service specs; repeatable")
	s.StringVar(&n.Workspace, "workspace", "", "source tree with services; the launcher finds the one it is started in if empty")
	s.StringVar(&n.BusURL, "bus.url", "", "URL of an external bus; the node runs its own if empty")
	s.StringVar(&n.BusListen, "bus.listen", "127.0.0.1:4222", "host:port of the node's own bus; port 0 for any free one")
	s.StringVar(&n.BusStore, "bus.store", "memory", "where the bus keeps its streams: memory or file")
	s.StringVar(&n.BusSync, "bus.sync", "", `how often a file store is written through: "always" (default) or a duration`)
	s.StringVar(&n.BusSeedFile, "bus.seed-file", "", "file with the credential for the bus; the node directory's own if empty")
	s.StringVar(&n.EdgeListen, "edge.listen", "127.0.0.1:8080", "host:port on which the edge answers HTTP; port 0 for any free one")
	s.StringVar(&n.MetricsListen, "metrics.listen", "127.0.0.1:0", "host:port of a daemon's /metrics and /healthz; port 0 for any free one")
	s.StringVar(&n.LogLevel, "log.level", "info", "least level that is logged: debug, info, warn or error")
	s.StringVar(&n.LogFormat, "log.format", "auto", "text, json, or auto: text on a terminal")
	s.DurationVar(&n.StageTimeout, "stage.timeout", 30*time.Second, "how long one stage of the boot may take")
	s.DurationVar(&n.StopTimeout, "stop.timeout", 10*time.Second, "how long a process may take to end before it is killed")
	s.StringVar(&n.Stage, "stage", "", "set by the launcher for its daemons: the stage to wait for")
	s.StringVar(&n.Boot, "boot", "", "set by the launcher for its daemons: the id of the boot")
}

// Validate reports every setting that cannot work.
func (n Node) Validate() error {
	var errs []error
	fail := func(setting, format string, args ...any) {
		errs = append(errs, fmt.Errorf("setting %s: %w", setting, fmt.Errorf(format, args...)))
	}
	if err := events.CheckToken(string(n.Name)); err != nil {
		fail("node", "%w", err)
	}
	if n.Root == "" {
		fail("root", "empty: want a directory")
	}
	for _, p := range n.Profiles {
		if err := events.CheckToken(p); err != nil {
			fail("profile", "%w", err)
		}
	}
	for setting, address := range map[string]string{"bus.listen": n.BusListen, "edge.listen": n.EdgeListen, "metrics.listen": n.MetricsListen} {
		if err := loopback(address); err != nil {
			fail(setting, "%w", err)
		}
	}
	for _, choice := range []struct {
		setting, value string
		allowed        []string
	}{
		{"bus.store", n.BusStore, []string{"memory", "file"}},
		{"log.level", n.LogLevel, []string{"debug", "info", "warn", "error"}},
		{"log.format", n.LogFormat, []string{"auto", "text", "json"}},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			fail(choice.setting, "%q: want one of %s", choice.value, strings.Join(choice.allowed, ", "))
		}
	}
	if d, err := time.ParseDuration(n.BusSync); n.BusSync != "" && n.BusSync != "always" && (err != nil || d <= 0) {
		fail("bus.sync", `%q: want "always" or a duration, as in "1s"`, n.BusSync)
	}
	for setting, d := range map[string]time.Duration{"stage.timeout": n.StageTimeout, "stop.timeout": n.StopTimeout} {
		if d <= 0 {
			fail(setting, "%s: want more than 0", d)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(errs) > 0 {
		return &UsageError{errors.Join(errs...)}
	}
	return nil
}

// loopback reports why an address cannot be listened on: without TLS only
// loopback may.
func loopback(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q: want host:port, as in 127.0.0.1:8080", address)
	}
	if p, err := net.LookupPort("tcp", port); err != nil || p < 0 {
		return fmt.Errorf("%q: the port must be a number from 0 to 65535", address)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q: a listener beyond loopback requires TLS, which is not supported yet: use 127.0.0.1, [::1] or localhost", address)
	}
	return nil
}

// Environ returns the settings as variables, for a process that is to have the
// same.
func (n Node) Environ() []string {
	set := New("environ")
	var defaults Node
	defaults.Register(set)
	for name, value := range map[string]string{
		"node": string(n.Name), "root": n.Root, "profile": strings.Join(n.Profiles, ","), "specs": strings.Join(n.Specs, ","), "workspace": n.Workspace,
		"bus.url": n.BusURL, "bus.listen": n.BusListen, "bus.store": n.BusStore, "bus.sync": n.BusSync, "bus.seed-file": n.BusSeedFile,
		"edge.listen": n.EdgeListen, "metrics.listen": n.MetricsListen, "log.level": n.LogLevel, "log.format": n.LogFormat,
		"stage.timeout": n.StageTimeout.String(), "stop.timeout": n.StopTimeout.String(), "stage": n.Stage, "boot": n.Boot,
	} {
		// The values come from settings of the same kinds and cannot be refused.
		_ = set.Set(name, value)
	}
	var environ []string
	for _, setting := range set.Settings() {
		if setting.Name != fileFlag {
			environ = append(environ, Variable(setting.Name)+"="+setting.Value)
		}
	}
	return environ
}
